using System.Globalization;
using System.Text;
using Strata.Conformance.Tests.Programs;
using Strata.X86.Comparison;
using Strata.X86.Execution;
using Strata.X86.Registers;

namespace Strata.Conformance.Tests.Running;

/// <summary>The reference engine and another one, with the same programs in the same surroundings.</summary>
internal sealed class EnginePair(GuestSetting setting, Func<X86CpuWiring, IX86Engine> createEngine) : IDisposable
{
    private readonly ConformanceMachine _reference = new(
        setting, wiring => new X86.Interpreter.Interpreter(wiring) { CountsExactly = true });
    private readonly ConformanceMachine _subject = new(setting, createEngine);
    private readonly byte[] _image = new byte[setting.ImageSize];

    /// <summary>Instructions that have been compared.</summary>
    public long Instructions { get; private set; }

    /// <summary>Runs a program on both, twice: with code that the engine has not seen and with code that it knows.</summary>
    /// <param name="limit">Most instructions.</param>
    /// <returns>How they differ, or null.</returns>
    public string? Run(GuestProgram program, int limit = ReferenceRun.LongestRun)
    {
        _reference.Built.CopyTo(_image);
        GuestImage surroundings = new(program);
        surroundings.Fill(_image, _reference.Machine);
        X86CpuState state = surroundings.Randomize(_reference.Initial);
        _reference.Start(_image, state);
        ReferenceRun run = new(_reference, program, limit);
        Instructions += run.Instructions;
        for (int round = 0; round < 2; round++)
        {
            _subject.Start(_image, state);
            long before = _subject.Engine.InstructionsExecuted;
            _subject.Run(program, run.Instructions + (run.EndedInDelivery ? 1 : 0));
            if (Compare(run, _subject.Engine.InstructionsExecuted - before) is { } difference)
            {
                return $"round {round}, {run.Instructions} instructions: {difference}";
            }
        }

        return null;
    }

    /// <summary>Turns instructions into NOPs as long as the engines still differ.</summary>
    public GuestProgram Minimize(GuestProgram program)
    {
        bool smaller = true;
        while (smaller)
        {
            smaller = false;
            for (int i = program.Chunks.Count - 1; i >= 0; i--)
            {
                if (!program.IsNop(i) && program.Without(i) is var less && Run(less) != null)
                {
                    program = less;
                    smaller = true;
                }
            }
        }

        return program;
    }

    /// <summary>The smallest program that shows a difference, and the difference.</summary>
    public string Describe(GuestProgram program)
    {
        GuestProgram small = Minimize(program);
        StringBuilder text = new();
        int length = Enumerable.Range(1, ReferenceRun.LongestRun)
            .FirstOrDefault(count => Run(small, count) != null, ReferenceRun.LongestRun);
        text.AppendLine(
            CultureInfo.InvariantCulture, $"seed {program.Seed}, {setting}, interrupt before {small.InterruptAt}: {Run(small, length)}");
        X86CpuState state = new GuestImage(small) is var image ? Prepare(image) : default;
        foreach (string line in small.Disassemble())
        {
            text.AppendLine("    " + line);
        }

        IEnumerable<string> values = StateComparison.Values(state)
            .Where(field => field.Name.Length <= 6 && !field.Name.Contains('.', StringComparison.Ordinal))
            .Take(26)
            .Select(field => $"{field.Name}={field.Value:X}");
        text.AppendLine("    " + string.Join(' ', values));
        return text.ToString();
    }

    public void Dispose()
    {
        _reference.Dispose();
        _subject.Dispose();
    }

    private X86CpuState Prepare(GuestImage image)
    {
        _reference.Built.CopyTo(_image);
        image.Fill(_image, _reference.Machine);
        return image.Randomize(_reference.Initial);
    }

    private string? Compare(ReferenceRun run, long executed)
    {
        _reference.Engine.Cpu.GetState(out X86CpuState expected);
        _subject.Engine.Cpu.GetState(out X86CpuState actual);
        IgnorePointers(ref actual, expected);
        List<string> differences = [];
        if (executed != run.Instructions)
        {
            differences.Add($"executed {executed} instructions");
        }

        if (!StateComparison.AreEqual(expected, actual, run.UndefinedBits))
        {
            differences.AddRange(StateComparison.Compare(expected, actual, run.UndefinedBits).Select(difference => difference.ToString()));
        }

        if (_reference.Machine.Apic.Vector != _subject.Machine.Apic.Vector)
        {
            differences.Add($"pending interrupt {_subject.Machine.Apic.Vector}, not {_reference.Machine.Apic.Vector}");
        }

        foreach ((ulong address, ulong bits) in run.PushedBits.Where(place => place.Address < (ulong)setting.ImageSize))
        {
            ref byte place = ref _subject.Memory[(int)address];
            place = (byte)((place & ~bits) | (_reference.Memory[(int)address] & bits));
        }

        CompareMemory(differences);
        return differences.Count == 0 ? null : string.Join("; ", differences.Take(12));
    }

    private void CompareMemory(List<string> differences)
    {
        Span<byte> expected = _reference.Memory;
        Span<byte> actual = _subject.Memory;
        int at = expected.CommonPrefixLength(actual);
        while (at < expected.Length && differences.Count < 12)
        {
            // The accessed bit may be set early, by a look ahead.
            bool isTable = setting.IsPaged && at >= (int)X86.Interpreter.Tests.Harness.SystemMachine.Tables && at % 4 == 0;
            if (!isTable || ((expected[at] ^ actual[at]) & ~0x20) != 0)
            {
                differences.Add($"[{at:X}] = {actual[at]:X2}, not {expected[at]:X2}");
            }

            at++;
            at += expected[at..].CommonPrefixLength(actual[at..]);
        }
    }

    private static void IgnorePointers(ref X86CpuState actual, in X86CpuState expected)
    {
        (actual.Fop, actual.FpuIp, actual.FpuDp) = (expected.Fop, expected.FpuIp, expected.FpuDp);
        (actual.FpuCs, actual.FpuDs) = (expected.FpuCs, expected.FpuDs);
    }
}
