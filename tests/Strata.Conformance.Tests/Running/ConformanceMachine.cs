using Strata.Conformance.Tests.Programs;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;

namespace Strata.Conformance.Tests.Running;

/// <summary>A machine that runs one program after another, each from the same image of memory as its counterparts.</summary>
internal sealed unsafe class ConformanceMachine : IDisposable
{
    private const int PageSize = 0x1000;
    private const ulong Present = 1;
    private readonly int _imageSize;
    private readonly byte[] _built;

    public ConformanceMachine(GuestSetting setting, Func<X86CpuWiring, IX86Engine> createEngine)
    {
        Machine = new SystemMachine(setting.Mode, setting.Cpl, setting.Paging, createEngine);
        Initial = Machine.State;
        for (ulong va = SystemMachine.Tables; setting.IsPaged && va < 0x200000; va += PageSize)
        {
            Machine.ChangePte(va, 0, Present);
        }

        _imageSize = setting.ImageSize;
        _built = Memory.ToArray();
    }

    public SystemMachine Machine { get; }

    public X86CpuState Initial { get; }

    public IX86Engine Engine => Machine.Engine;

    public Span<byte> Memory => Machine.Memory.Slice(0, _imageSize);

    /// <summary>The memory before any program ran.</summary>
    public ReadOnlySpan<byte> Built => _built;

    /// <summary>Brings memory, registers and devices to the start of a run. Code that has not changed stays known to the engine.</summary>
    public void Start(ReadOnlySpan<byte> image, in X86CpuState state)
    {
        for (int at = 0; at < _imageSize; at += PageSize)
        {
            ReadOnlySpan<byte> page = image.Slice(at, PageSize);
            if (!page.SequenceEqual(Memory.Slice(at, PageSize)))
            {
                page.CopyTo(Memory[at..]);
                ulong index = (ulong)at >> GuestMemory.PageShift;
                if (Machine.Memory.HoldsCode(index))
                {
                    Machine.Memory.InvalidateCode(index);
                }
            }
        }

        // Programs without paging reach all memory: what others have left there must not be seen.
        Machine.Memory.TryDiscard((ulong)_imageSize, Machine.Memory.Size - (ulong)_imageSize);
        Machine.Apic.Vector = null;
        Machine.Random = 0;
        Engine.Cpu.SetState(state);
    }

    /// <summary>Runs a number of instructions, with the interrupt of the program at its place.</summary>
    public void Run(GuestProgram program, int instructions)
    {
        VcpuStop stop = VcpuStop.BudgetSpent;
        int first = program.InterruptAt >= 0 && program.InterruptAt < instructions ? program.InterruptAt : instructions;
        if (first > 0)
        {
            stop = Engine.Run(first);
        }

        if (first < instructions && stop == VcpuStop.BudgetSpent)
        {
            Machine.Apic.Vector = program.Vector;
            Engine.Run(instructions - first);
        }
    }

    public void Dispose() => Machine.Dispose();
}
