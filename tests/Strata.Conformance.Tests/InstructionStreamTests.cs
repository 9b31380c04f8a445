using System.Diagnostics;
using System.Globalization;
using Strata.Conformance.Tests.Programs;
using Strata.Conformance.Tests.Running;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Translator;
using Xunit.Abstractions;

namespace Strata.Conformance.Tests;

/// <summary>
/// Random programs on the translator and on the interpreter: whole states and all memory must agree. By default a few seconds of
/// fixed seeds; STRATA_SOAK_SECONDS asks for a time with fresh seeds, STRATA_SEED for one program by the seed that a failure prints.
/// </summary>
public sealed class InstructionStreamTests(ITestOutputHelper output)
{
    private const int ProgramsPerSetting = 400;
    private const int MaxReports = 5;

    public static TheoryData<GuestMode, int, GuestPaging, bool> Settings => new()
    {
        { GuestMode.Long, 0, GuestPaging.FourLevel, false },
        { GuestMode.Long, 3, GuestPaging.FourLevel, false },
        { GuestMode.Long, 0, GuestPaging.FourLevel, true },
        { GuestMode.Long, 3, GuestPaging.FourLevel, true },
        { GuestMode.Compatibility, 0, GuestPaging.FourLevel, false },
        { GuestMode.Compatibility, 3, GuestPaging.FourLevel, false },
        { GuestMode.Compatibility, 3, GuestPaging.FourLevel, true },
        { GuestMode.Protected32, 0, GuestPaging.Off, false },
        { GuestMode.Protected32, 0, GuestPaging.Pae, true },
        { GuestMode.Protected32, 3, GuestPaging.ThirtyTwoBit, true },
        { GuestMode.Protected32, 0, GuestPaging.Pae, false },
        { GuestMode.Protected32, 3, GuestPaging.ThirtyTwoBit, false },
        { GuestMode.Protected16, 0, GuestPaging.ThirtyTwoBit, false },
        { GuestMode.Real, 0, GuestPaging.Off, false },
        { GuestMode.Virtual8086, 3, GuestPaging.ThirtyTwoBit, false },
    };

    [Theory]
    [MemberData(nameof(Settings))]
    public void Translator_RandomProgram_AgreesWithInterpreter(GuestMode mode, int cpl, GuestPaging paging, bool relative)
    {
        GuestSetting setting = new(mode, cpl, paging);
        TranslatorOptions options = new()
        {
            ExactFlags = true,
            CountInstructions = true,
            IsOnlyProcessor = true,
            AlwaysRelative = relative,
        };
        using EnginePair pair = new(setting, wiring => new Translator(wiring, options));
        List<string> reports = [];
        long count = 0;
        Stopwatch watch = Stopwatch.StartNew();
        foreach (int seed in Seeds((int)mode + (relative ? 100 : 0)))
        {
            GuestProgram program = new(setting, seed);
            count++;
            NoteSeed(program);
            if (pair.Run(program) != null)
            {
                reports.Add(pair.Describe(program));
                if (reports.Count == MaxReports)
                {
                    break;
                }
            }
        }

        output.WriteLine(
            $"{setting}: {count:N0} programs, {pair.Instructions:N0} instructions compared in {watch.Elapsed.TotalSeconds:F1} s");
        Assert.True(reports.Count == 0, "The engines differ; STRATA_SEED=SEED repeats one.\n" + string.Join('\n', reports));
    }

    /// <summary>For programs that end the process: STRATA_SEED_FILE names a file that holds the last one begun.</summary>
    private static void NoteSeed(GuestProgram program)
    {
        if (Environment.GetEnvironmentVariable("STRATA_SEED_FILE") is { } path)
        {
            File.WriteAllText(path, $"{program.Seed}\n{program.Setting}\n" + string.Join('\n', program.Disassemble()));
        }
    }

    /// <param name="series">Tells the settings' fixed seeds apart.</param>
    private static IEnumerable<int> Seeds(int series)
    {
        if (int.TryParse(Environment.GetEnvironmentVariable("STRATA_SEED"), CultureInfo.InvariantCulture, out int seed))
        {
            yield return seed;
            yield break;
        }

        if (!double.TryParse(Environment.GetEnvironmentVariable("STRATA_SOAK_SECONDS"), CultureInfo.InvariantCulture, out double seconds))
        {
            for (int i = 0; i < ProgramsPerSetting; i++)
            {
                yield return (series * 1_000_000) + i;
            }

            yield break;
        }

        Stopwatch watch = Stopwatch.StartNew();
        Random random = new();
        while (watch.Elapsed.TotalSeconds < seconds / Settings.Count)
        {
            yield return random.Next();
        }
    }
}
