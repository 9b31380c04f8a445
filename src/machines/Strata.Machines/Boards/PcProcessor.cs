using Strata.Core.Execution;
using Strata.X86.Apic;
using Strata.X86.Execution;

namespace Strata.Machines.Boards;

/// <summary>
/// A processor of a PC: its state, its local APIC, the engine that executes it, and the thread that the engine runs on. What other
/// processors and devices signal reaches it on any thread.
/// </summary>
internal sealed class PcProcessor : ILocalApicHost, IVcpuHost, IDisposable
{
    private readonly PcBoard _board;
    private readonly VcpuThread _thread;

    /// <param name="cpu">The engine's; disposed with the processor, as the engine is.</param>
    public PcProcessor(
        PcBoard board, BoardWiring wiring, X86Cpu cpu, LocalApic apic, IHypercallInterface hypercalls, IX86Engine engine,
        AwakeProcessors awake)
    {
        _board = board;
        Cpu = cpu;
        Apic = apic;
        Hypercalls = hypercalls;
        _thread = new VcpuThread(engine, this, wiring.Clock, awake);
    }

    public X86Cpu Cpu { get; }

    public LocalApic Apic { get; }

    /// <summary>What the guest finds of the monitor.</summary>
    public IHypercallInterface Hypercalls { get; }

    public IX86Engine Engine => (IX86Engine)_thread.Vcpu;

    public VcpuThread Thread => _thread;

    public void Kick() => _thread.Kick();

    public void SignalNmi()
    {
        Cpu.PostNmi();
        Kick();
    }

    public void SignalInit()
    {
        Cpu.PostInit();
        Kick();
    }

    public void SignalWake()
    {
        Cpu.PostWake();
        Kick();
    }

    public void SignalStartup(byte vector)
    {
        Cpu.PostStartup(vector);
        Kick();
    }

    /// <summary>Gives the processor another engine; it stands still meanwhile.</summary>
    /// <param name="create">Makes the engine.</param>
    /// <param name="restore">Makes one like the old one, should that fail.</param>
    public void ReplaceEngine(Func<X86Cpu, IX86Engine> create, Func<X86Cpu, IX86Engine> restore) => _thread.Replace(
        () =>
        {
            Cpu.Tlb.FlushAll(); // the old engine knew who may write where
            Cpu.MoveTsc(0); // and its counter may have been another than the one that follows from virtual time
            return create(Cpu);
        },
        () => restore(Cpu));

    public ProcessorInspection Inspect() => new(Engine.Index, _thread.InstructionsExecuted, Engine.DescribeCounters());

    public void Dispose()
    {
        _thread.Dispose();
        Cpu.Dispose();
    }

    bool IVcpuHost.CountsStealTime => Hypercalls.CountsStealTime;

    void IVcpuHost.AddStealTime(ulong nanoseconds) => Hypercalls.AddStealTime(nanoseconds);

    void IVcpuHost.OnStoodStill() => Cpu.PostStoodStill();

    void IVcpuHost.OnShutdown() => _board.OnTripleFault(Cpu);

    void IVcpuHost.OnError(Exception error) => _board.OnError(Cpu, error);
}
