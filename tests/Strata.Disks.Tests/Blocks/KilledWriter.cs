using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace Strata.Disks.Tests.Blocks;

/// <summary>
/// A process that writes to an image until it is killed. It is this assembly, started with <see cref="Variable"/> set: then nothing
/// else of it runs. After each flush it says how many operations are behind it.
/// </summary>
internal static class KilledWriter
{
    /// <summary>Name of a kind of image, seed and path, separated by spaces.</summary>
    public const string Variable = "STRATA_TEST_WRITER";

    public const int Sectors = (16 << 11) + 5;

    /// <summary>An operation of a run: the same for the same seed and number.</summary>
    public static Operation Plan(int seed, int number)
    {
        Random random = new((seed * 1_000_003) + number);
        int sector = random.Next(Sectors);
        int count = Math.Min(1 + random.Next(60), Sectors - sector);
        return random.Next(10) switch
        {
            0 => new Operation(0, 0, 0, IsFlush: true),
            1 => new Operation(sector, count, 0, IsFlush: false),
            _ => new Operation(sector, count, ((long)seed << 32) | (uint)number, IsFlush: false),
        };
    }

    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "The entry point belongs to the test platform.")]
    internal static void RunWhenAsked()
    {
        if (Environment.GetEnvironmentVariable(Variable)?.Split(' ', 3) is not [var name, var seed, var path])
        {
            return;
        }

        using DiskImage image = ImageKind.Named(name).Open(path, false);
        int parsed = int.Parse(seed, CultureInfo.InvariantCulture);
        for (int number = 1; ; number++)
        {
            Operation operation = Plan(parsed, number);
            Do(image, operation);
            if (operation.IsFlush)
            {
                Console.Out.WriteLine(number);
                Console.Out.Flush();
            }
        }
    }

    private static void Do(DiskImage image, Operation operation)
    {
        long offset = (long)operation.Sector * SectorHistory.SectorSize;
        if (operation.IsFlush)
        {
            image.Flush();
        }
        else if (operation.Value == 0)
        {
            image.WriteZeros(offset, (long)operation.Count * SectorHistory.SectorSize);
        }
        else
        {
            image.Write(offset, SectorHistory.Content([.. Enumerable.Repeat(operation.Value, operation.Count)]));
        }
    }

    /// <param name="Value">What the sectors hold after it.</param>
    internal readonly record struct Operation(int Sector, int Count, long Value, bool IsFlush);
}
