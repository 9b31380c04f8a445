using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.Time;
using Strata.X86.Comparison;
using Strata.X86.Execution;
using Strata.X86.Registers;

namespace Strata.Verification;

/// <summary>
/// Finds the instruction of a block that the engines disagree on: brings a machine to the state before the block, and runs longer
/// and longer parts of the block from copies of that state. A block touches no device, except where it is a single instruction.
/// </summary>
internal sealed class InstructionSearch : IDisposable
{
    private readonly VerificationSpec _spec;
    private readonly LockstepMachine _machine;
    private readonly Sandbox _reference;
    private readonly Sandbox _subject;
    private readonly Divergence _block;
    private readonly X86CpuState _state;

    private InstructionSearch(VerificationSpec spec, LockstepMachine machine, Divergence block)
    {
        _spec = spec;
        _machine = machine;
        _block = block;
        X86Cpu cpu = machine.Engines[block.Processor].Cpu;
        cpu.DeliverInterrupts(); // what is due before the block; its copies have no interrupt controller
        cpu.GetState(out _state);
        _reference = new Sandbox(spec.Memory, machine.Now, Lockstep.CreateReference);
        _subject = new Sandbox(
            spec.Memory, machine.Now,
            wiring => Lockstep.CreateSubject(spec, wiring, machine.Engines[block.Processor].InstructionsExecuted));
    }

    /// <returns>The divergence with its one instruction, or as it was if no part of the block shows it.</returns>
    public static Divergence Narrow(
        VerificationSpec spec, GuestFiles files, Divergence block, IProgress<VerificationProgress>? progress,
        CancellationToken cancellation)
    {
        LockstepWindow window = new()
        {
            Phase = "finding the instruction",
            From = block.Before,
            StopAt = block.Before,
            StopProcessor = block.Processor,
        };
        using Lockstep lockstep = new(spec, files, window, progress);
        lockstep.Run(cancellation);
        using InstructionSearch search = new(spec, lockstep.Reference, block);
        return search.Run(cancellation);
    }

    public void Dispose()
    {
        _reference.Dispose();
        _subject.Dispose();
    }

    private Divergence Run(CancellationToken cancellation)
    {
        int count = (int)Math.Min(_block.After - _block.Before, int.MaxValue);
        for (int length = 1; length <= count; length++)
        {
            cancellation.ThrowIfCancellationRequested();
            X86CpuState expected = _reference.Run(_machine.Board.Ram, _state, length, out ExceptionRecord? fault);
            X86CpuState actual = _subject.Run(_machine.Board.Ram, _state, length, out _);
            Lockstep.IgnorePointers(ref actual, expected);
            if (fault is { } exception)
            {
                UndefinedResults.AdoptFrame(_reference.Space, _subject.Space, _state, expected, length, exception);
            }

            bool isUndefined = StateComparison.AreEqual(expected, actual, RFlags.Arithmetic)
                && UndefinedResults.Explain(_reference.Space, _state, expected, actual, length, fault);
            ulong undefined = isUndefined ? RFlags.Arithmetic : 0;
            List<string> memory = MemoryComparison.Compare(_reference.Memory, _subject.Memory);
            if (!StateComparison.AreEqual(expected, actual, undefined) || memory.Count > 0)
            {
                return Found(length, expected, actual, undefined, memory);
            }
        }

        return _block;
    }

    private Divergence Found(int length, in X86CpuState expected, in X86CpuState actual, ulong undefined, List<string> memory)
    {
        X86CpuState before = length == 1 ? _state : _reference.Run(_machine.Board.Ram, _state, length - 1, out _);
        int shown = (int)Math.Min(64, _block.After - _block.Before);
        return _block with
        {
            Before = _block.Before + length - 1,
            After = _block.Before + length,
            Registers = Registers.Differences(before, expected, actual, undefined),
            Others = memory,
            State = Registers.Values(before),
            Code = CodeReader.Disassemble(_machine.Board.Memory, _state, shown, marked: before.Rip),
        };
    }
}

/// <summary>A processor with memory of its own and nothing else, to run a few instructions from a copied state.</summary>
internal sealed class Sandbox : IDisposable
{
    private readonly Func<IX86Engine> _create;

    public Sandbox(ulong memory, long now, Func<X86CpuWiring, IX86Engine> createEngine)
    {
        Memory = new GuestMemory(memory);
        ManualClock clock = new();
        clock.Advance(now);
        Machines.Boards.PcBoard.MapRam(Space, Memory);
        _create = () => createEngine(new X86CpuWiring { Index = 0, Memory = Space, Ports = new PortSpace(), Clock = clock });
    }

    public GuestMemory Memory { get; }

    public AddressSpace Space { get; } = new();

    /// <summary>Runs instructions from a state and a copy of a machine's memory.</summary>
    /// <param name="exception">The last exception that was delivered meanwhile, or null.</param>
    public X86CpuState Run(GuestMemory ram, in X86CpuState state, int instructions, out ExceptionRecord? exception)
    {
        const int chunk = 1 << 20;
        for (ulong at = 0; at < ram.Size; at += chunk)
        {
            int length = (int)Math.Min(chunk, ram.Size - at);
            ReadOnlySpan<byte> source = ram.Slice(at, length);
            if (!source.SequenceEqual(Memory.Slice(at, length)))
            {
                source.CopyTo(Memory.Slice(at, length));
                Memory.NoteWrite(at, (ulong)length);
            }
        }

        using IX86Engine engine = _create(); // a fresh one: a wrapper counts from the start
        engine.Cpu.SetState(state);
        engine.Run(instructions);
        engine.Cpu.GetState(out X86CpuState after);
        exception = engine.Cpu.Exceptions == 0 ? null : engine.Cpu.LastException;
        return after;
    }

    public void Dispose() => Memory.Dispose();
}
