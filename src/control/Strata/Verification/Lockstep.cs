using System.Globalization;
using System.Text;
using Strata.Core.Execution;
using Strata.Machines.Boards;
using Strata.X86.Comparison;
using Strata.X86.Execution;
using Strata.X86.Interpreter;
using Strata.X86.Registers;
using Strata.X86.Translator;

namespace Strata.Verification;

/// <summary>
/// Two machines side by side: the one under test runs a block, the reference runs as many instructions. Time passes every
/// <see cref="Quantum"/> instructions of each processor, so that the run does not depend on when states are compared.
/// </summary>
internal sealed class Lockstep : IDisposable
{
    /// <summary>Instructions of each processor between two moves of time; one nanosecond each.</summary>
    public const long Quantum = 1000;

    private const long ReportEvery = 1_000_000;

    private readonly VerificationSpec _spec;
    private readonly LockstepWindow _window;
    private readonly LockstepMachine _subject;
    private readonly LockstepMachine _reference;
    private readonly IProgress<VerificationProgress>? _progress;
    private readonly byte[][] _input;
    private readonly X86CpuState[] _before;
    private readonly long[] _exceptions;
    private bool _stopped;
    private int _line;
    private int _typed;
    private long _nextMemory;
    private long _sinceComparison;
    private long _sinceReport;

    public Lockstep(VerificationSpec spec, GuestFiles files, LockstepWindow window, IProgress<VerificationProgress>? progress)
    {
        _spec = spec;
        _window = window;
        _progress = progress;
        _input = [.. spec.Input.Select(line => Encoding.UTF8.GetBytes(line + "\n"))];
        _before = new X86CpuState[spec.Processors];
        _exceptions = new long[spec.Processors];
        _nextMemory = Math.Max(window.From, window.MemoryEvery);
        _subject = new LockstepMachine(spec, files, wiring => CreateSubject(spec, wiring, 0), window.IsFirst ? spec.ConsoleOutput : null);
        try
        {
            _reference = new LockstepMachine(spec, files, CreateReference, null);
        }
        catch
        {
            _subject.Dispose();
            throw;
        }
    }

    /// <summary>Executed on each machine, by all processors.</summary>
    public long Instructions { get; private set; }

    public long Comparisons { get; private set; }

    public long AdoptedFlags { get; private set; }

    public MachineExit? Exit => _reference.Exit;

    public LockstepMachine Reference => _reference;

    /// <summary>The engine under test, as it is in every verification.</summary>
    /// <param name="executed">Instructions that its processor has executed before.</param>
    public static IX86Engine CreateSubject(VerificationSpec spec, X86CpuWiring wiring, long executed)
    {
        Translator engine = new(
            wiring, new TranslatorOptions { CountInstructions = true, ExactFlags = true, IsOnlyProcessor = spec.Processors == 1 });
        return spec.FaultAt > 0 ? new FaultyEngine(engine, executed, spec.FaultAt) : engine;
    }

    public static IX86Engine CreateReference(X86CpuWiring wiring) => new Interpreter(wiring) { CountsExactly = true };

    /// <summary>Runs to the guest's end, to a limit, or to the first difference.</summary>
    public Divergence? Run(CancellationToken cancellationToken)
    {
        while (Exit == null && (_spec.Limit == 0 || Instructions < _spec.Limit))
        {
            cancellationToken.ThrowIfCancellationRequested();
            bool running = false;
            for (int processor = 0; processor < _spec.Processors && Exit == null && !_stopped; processor++)
            {
                if (RunQuantum(processor, ref running) is { } divergence)
                {
                    return divergence;
                }
            }

            if (_stopped)
            {
                return null;
            }

            if (CompareOutside() is { } outside)
            {
                return outside;
            }

            if (!Type() && !Advance(running))
            {
                return null; // halted, with nothing that could end it
            }
        }

        return CompareMemory(0);
    }

    public void Dispose()
    {
        _subject.Dispose();
        _reference.Dispose();
    }

    private bool IsCompared => Instructions >= _window.From;

    private Divergence? RunQuantum(int processor, ref bool running)
    {
        long left = Quantum;
        while (left > 0 && Exit == null)
        {
            if (Instructions == _window.StopAt && processor == _window.StopProcessor && WillRun(processor))
            {
                _stopped = true;
                return null;
            }

            long slice = NextSlice(processor, left);
            long position = Instructions;
            _subject.GetState(processor, out _before[processor]);
            _exceptions[processor] = _reference.Engines[processor].Cpu.Exceptions;
            long executed = _subject.Run(processor, slice, out VcpuStop stop);
            long expected = _reference.Run(processor, slice, out VcpuStop expectedStop);
            Instructions += executed;
            Report(executed);
            left -= executed;
            running |= executed > 0;
            bool isSame = executed == expected && stop == expectedStop;
            _sinceComparison += executed;
            if (!isSame || (IsCompared && _sinceComparison >= _window.Every))
            {
                if (Compare(
                    processor, position, executed, isSame ? null : Describe(executed, stop, expected, expectedStop)) is { } divergence)
                {
                    return divergence;
                }
            }

            if (IsCompared && Instructions >= _nextMemory)
            {
                _nextMemory = Instructions + _window.MemoryEvery;
                if (CompareMemory(processor) is { } memory)
                {
                    return memory;
                }
            }

            if (stop is VcpuStop.Halted or VcpuStop.Shutdown)
            {
                return stop == VcpuStop.Shutdown ? throw TripleFault(processor) : null;
            }
        }

        return null;
    }

    private bool WillRun(int processor)
    {
        X86Cpu cpu = _reference.Engines[processor].Cpu;
        return cpu.State.Activity == ActivityState.Running || cpu.TryWake();
    }

    private long NextSlice(int processor, long left)
    {
        if (!IsCompared)
        {
            return Math.Min(left, _window.From - Instructions);
        }

        return _window.Every == 0 && _subject.Engines[processor] is IBlockEngine engine ? Math.Min(left, engine.NextBlockLength)
            : Math.Min(left, Math.Max(1, _window.Every - _sinceComparison));
    }

    private static StrataException TripleFault(int processor) => new(
        StrataError.BadInput,
        $"Processor {processor} of the guest shut down (triple fault) on both engines. The engines agree; look at the kernel and its " +
        $"command line.");

    private static string Describe(long executed, VcpuStop stop, long expected, VcpuStop expectedStop) => string.Create(
        CultureInfo.InvariantCulture,
        $"The engine under test executed {executed} instructions and stopped by {stop}; the reference executed {expected} and stopped by " +
        $"{expectedStop}.");

    private Divergence? Compare(int processor, long position, long executed, string? other)
    {
        _sinceComparison = 0;
        Comparisons++;
        _reference.GetState(processor, out X86CpuState expected);
        _subject.GetState(processor, out X86CpuState actual);
        IgnorePointers(ref actual, expected);
        ExceptionRecord? fault = other == null ? AdoptFrame(processor, expected, executed) : null;
        if (other == null && StateComparison.AreEqual(expected, actual, 0))
        {
            _window.LastSame = Instructions;
            return null;
        }

        if (other == null && StateComparison.AreEqual(expected, actual, RFlags.Arithmetic)
            && (_window.Every != 0 || UndefinedResults.Explain(
                _reference.Board.Memory, _before[processor], expected, actual, (int)executed, fault)))
        {
            AdoptedFlags++;
            _reference.Engines[processor].Cpu.Rflags = actual.Rflags;
            _window.LastSame = Instructions;
            return null;
        }

        return new Divergence
        {
            Before = _window.Every == 0 ? position : _window.LastSame,
            After = Instructions,
            Processor = processor,
            Registers = Registers.Differences(_before[processor], expected, actual, 0),
            Others = other == null ? [] : [other],
            State = Registers.Values(_before[processor]),
            Code = CodeReader.Disassemble(_reference.Board.Memory, _before[processor], (int)Math.Min(executed, 64), marked: null),
        };
    }

    /// <summary>Undefined flags in the frame of an exception that a block has raised are no difference.</summary>
    /// <returns>The exception, or null.</returns>
    private ExceptionRecord? AdoptFrame(int processor, in X86CpuState state, long executed)
    {
        X86Cpu cpu = _reference.Engines[processor].Cpu;
        if (_window.Every != 0 || cpu.Exceptions == _exceptions[processor])
        {
            return null;
        }

        if (UndefinedResults.AdoptFrame(
            _reference.Board.Memory, _subject.Board.Memory, _before[processor], state, (int)executed, cpu.LastException))
        {
            AdoptedFlags++;
        }

        return cpu.LastException;
    }

    /// <summary>What the guest does not see as registers: the output, and when the next timer is due.</summary>
    private Divergence? CompareOutside()
    {
        string? difference = _subject.Printed != _reference.Printed || _subject.PrintedHash != _reference.PrintedHash
            ? "The machines have printed different text."
            : _subject.NextDeadline != _reference.NextDeadline
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $"The next timer is due at {_subject.NextDeadline} ns, not at {_reference.NextDeadline} ns.")
                : (_subject.Exit == null) != (_reference.Exit == null) ? "One machine has ended, the other has not." : null;
        return difference == null ? null : Outside(0, difference);
    }

    private Divergence? CompareMemory(int processor)
    {
        List<string> differences = MemoryComparison.Compare(_reference.Board.Ram, _subject.Board.Ram);
        if (differences.Count == 0)
        {
            _window.LastSameMemory = Instructions;
            return null;
        }

        return Outside(processor, [.. differences]) with { Before = _window.LastSameMemory, After = Instructions };
    }

    private Divergence Outside(int processor, params string[] others) => new()
    {
        Before = _window.LastSame,
        After = Instructions,
        Processor = processor,
        Registers = [],
        Others = others,
        State = Registers.Values(_before[processor]),
        Code = CodeReader.Disassemble(_reference.Board.Memory, _before[processor], 16, marked: null),
    };

    /// <summary>Types the next line, or what the port has not taken of it yet, where the guest waits for one.</summary>
    private bool Type()
    {
        if (_typed == 0 && (_line >= _input.Length || !_reference.TakePrompt(_spec.Prompt)))
        {
            return false;
        }

        byte[] line = _input[_line];
        int taken = _subject.Type(line.AsSpan(_typed));
        _reference.Type(line.AsSpan(_typed, taken));
        _typed += taken;
        if (_typed == line.Length)
        {
            _line++;
            _typed = 0;
        }

        return taken > 0;
    }

    /// <summary>One quantum passes, or, if every processor is halted, the time to the next timer.</summary>
    private bool Advance(bool running)
    {
        long step = Quantum;
        if (!running)
        {
            if (_reference.NextDeadline is not { } deadline)
            {
                return false;
            }

            step = Math.Max(1, deadline - _reference.Now);
        }

        _subject.Advance(step);
        _reference.Advance(step);
        return true;
    }

    private void Report(long executed)
    {
        _sinceReport += executed;
        if (_sinceReport >= ReportEvery)
        {
            _sinceReport = 0;
            _progress?.Report(new VerificationProgress(_window.Phase, Instructions, Comparisons, TimeSpan.FromTicks(_reference.Now / 100)));
        }
    }

    /// <summary>The x87 instruction and data pointers, which translated code does not keep (docs/architecture.md).</summary>
    public static void IgnorePointers(ref X86CpuState actual, in X86CpuState expected)
    {
        (actual.Fop, actual.FpuIp, actual.FpuDp) = (expected.Fop, expected.FpuIp, expected.FpuDp);
        (actual.FpuCs, actual.FpuDs) = (expected.FpuCs, expected.FpuDs);
    }
}

/// <summary>Where and how often a pass compares, and how far both machines were the same.</summary>
internal sealed class LockstepWindow
{
    public required string Phase { get; init; }

    /// <summary>The first pass over the guest: its output is shown.</summary>
    public bool IsFirst { get; init; }

    public long From { get; init; }

    public long Every { get; init; }

    public long MemoryEvery { get; init; }

    /// <summary>Ends the pass before a processor's next instruction, once so many have been executed.</summary>
    public long StopAt { get; init; } = long.MaxValue;

    public int StopProcessor { get; init; }

    public long LastSame { get; set; }

    public long LastSameMemory { get; set; }
}
