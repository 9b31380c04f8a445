using System.Diagnostics;
using System.Globalization;

namespace Strata.Disks.Tests.Blocks;

/// <summary>
/// A process writes to an image and is killed, again and again on the same image. Every sector holds what it held when the process
/// last flushed or something that it wrote later. qemu-img judges what every kill leaves, and agrees about all sectors after the image
/// was closed properly. <c>./build.sh long</c> kills 1,000 writers.
/// </summary>
public sealed class KillTests : IDisposable
{
    private readonly ImageFolder _folder = new();

    public static TheoryData<string> Kinds => ImageKind.AllWritten;

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Image_WhoseWriterIsKilled_HoldsWhatWasFlushed(string name)
    {
        ImageKind kind = ImageKind.Named(name);
        string path = _folder.PathOf("disk.image");
        kind.Create(path, KilledWriter.Sectors * SectorHistory.SectorSize);
        long[] before = new long[KilledWriter.Sectors];

        int flushes = 0;
        for (int round = 1; round <= TestEffort.Kills; round++)
        {
            int flushed = WriteAndKill(name, round, path);
            flushes += flushed > 0 ? 1 : 0;
            if (QemuImg.IsInstalled)
            {
                QemuImg.CheckAfterCrash(kind.Format, path, _folder.PathOf("copy.image"));
            }

            before = Judge(kind, path, before, round, flushed);
        }

        Assert.Equal(TestEffort.Kills, flushes);

        // Opening for writing and closing takes up what the kill left.
        using (DiskImage image = kind.Open(path, false))
        {
            image.Write(0, SectorHistory.Content([1]));
            before[0] = 1;
        }

        using DiskImage closed = kind.Open(path, true);
        Assert.Empty(closed.Check(repair: false).Errors);
        if (QemuImg.IsInstalled)
        {
            QemuImg.Check(kind.Format, path);
            QemuImg.Compare(kind.Format, path, _folder.WriteRaw(SectorHistory.Content(before)));
        }
    }

    public void Dispose() => _folder.Dispose();

    /// <returns>The last operation that the writer knew to be flushed.</returns>
    private static int WriteAndKill(string name, int round, string path)
    {
        ProcessStartInfo start = new("dotnet", [typeof(KillTests).Assembly.Location])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment[KilledWriter.Variable] = string.Create(CultureInfo.InvariantCulture, $"{name} {round} {path}");
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        Random random = new(round);
        int flushed = 0;
        for (int lines = 1 + random.Next(40); lines > 0; lines--)
        {
            string? line = process.StandardOutput.ReadLine();
            Assert.True(line is not null, error.IsCompleted ? error.Result : "The writer ended.");
            flushed = int.Parse(line, CultureInfo.InvariantCulture);
        }

        Thread.SpinWait(random.Next(200_000));
        process.Kill();
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)));

        // It may have flushed more before it died.
        string rest = process.StandardOutput.ReadToEnd();
        string[] whole = rest[..(rest.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return whole.Length == 0 ? flushed : int.Parse(whole[^1], CultureInfo.InvariantCulture);
    }

    /// <returns>What the sectors hold now.</returns>
    private static long[] Judge(ImageKind kind, string path, long[] values, int round, int flushed)
    {
        const int Unreported = 2000;
        List<long>[] possible = [.. values.Select(value => new List<long> { value })];
        for (int number = 1; number < flushed + Unreported; number++)
        {
            KilledWriter.Operation operation = KilledWriter.Plan(round, number);
            foreach (List<long> sector in possible.AsSpan(operation.Sector, operation.Count))
            {
                if (number <= flushed)
                {
                    sector.Clear();
                }

                sector.Add(operation.Value);
            }
        }

        using DiskImage image = kind.Open(path, true);
        byte[] seen = new byte[KilledWriter.Sectors * SectorHistory.SectorSize];
        image.Read(0, seen);
        for (int sector = 0; sector < values.Length; sector++)
        {
            ReadOnlySpan<byte> content = seen.AsSpan(sector * SectorHistory.SectorSize, SectorHistory.SectorSize);
            values[sector] = BitConverter.ToInt64(content);
            Assert.True(content.SequenceEqual(SectorHistory.Content([values[sector]])), $"Sector {sector} is torn in round {round}.");
            Assert.True(
                possible[sector].Contains(values[sector]),
                $"Sector {sector} holds {values[sector]:X} in round {round}, flushed {flushed}.");
        }

        return values;
    }
}
