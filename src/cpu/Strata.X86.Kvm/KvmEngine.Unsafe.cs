using Strata.Core.Execution;
using Strata.X86.Execution;
using Strata.X86.Kvm.Interface;
using Strata.X86.Kvm.State;
using Strata.X86.Registers;

namespace Strata.X86.Kvm;

/// <summary>
/// Runs guest code on the CPU through /dev/kvm. Interrupt controllers, MSR policy and devices are the same as on every engine;
/// an instruction that KVM cannot execute is the interpreter's.
/// <para>KVM counts no instructions: a budget counts exits instead, and a guest that never exits runs until a kick.</para>
/// <para>Threads: <see cref="Run"/> on the vCPU's thread; <see cref="Kick"/> on any.</para>
/// </summary>
public sealed unsafe partial class KvmEngine : IX86Engine
{
    /// <summary>What an exit counts for in the budget.</summary>
    private const long ExitCost = 100;

    private readonly Interpreter.Interpreter _interpreter;
    private readonly VcpuContext* _context;
    private readonly KvmVcpu _vcpu;
    private readonly KvmRunPage* _page;
    private readonly StateTransfer _transfer;
    private readonly TimeStampCounter _tsc;
    private readonly KickSignal _signal = new();
    private readonly GuestGate _gate;
    private readonly Action _leave;
    private readonly bool _ownsCpu;

    /// <summary>What KVM holds, if it holds anything that is still valid.</summary>
    private X86CpuState _held;
    private bool _isHeld;

    /// <summary>The state in KVM is newer than the record.</summary>
    private bool _isAhead;

    /// <summary>The instruction of the last exit is finished by the next KVM_RUN.</summary>
    private bool _isIncomplete;

    /// <summary>The guest can take an interrupt now.</summary>
    private bool _isReady;

    private bool _tscIsSet;
    private int _discontinuities;

    /// <param name="wiring">The engine makes the processor and disposes it.</param>
    /// <exception cref="KvmUnavailableException">KVM refused.</exception>
    public KvmEngine(X86CpuWiring wiring, KvmMachine machine)
        : this(new X86Cpu(wiring), machine) => _ownsCpu = true;

    /// <param name="cpu">The processor as another engine left it; not disposed with the engine.</param>
    /// <exception cref="KvmUnavailableException">KVM refused.</exception>
    public KvmEngine(X86Cpu cpu, KvmMachine machine)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        ArgumentNullException.ThrowIfNull(machine);
        _vcpu = machine.GetVcpu(cpu);
        _page = _vcpu.Page;
        _page->RequestInterruptWindow = 0;
        _interpreter = new Interpreter.Interpreter(cpu);
        _context = cpu.Context;
        _transfer = new StateTransfer(_vcpu, machine.Device);
        _tsc = new TimeStampCounter(cpu, _vcpu, machine.Device.OffsetsTsc);
        _discontinuities = cpu.Discontinuities;
        _gate = machine.Gate;
        _leave = _signal.Send;
        _gate.Join(_leave);
        cpu.Memory.AddBlindWriter();
    }

    public int Index => Cpu.Wiring.Index;

    public X86Cpu Cpu => _interpreter.Cpu;

    /// <summary>Instructions handed to the interpreter only: the CPU's own are not counted.</summary>
    public long InstructionsExecuted => _interpreter.InstructionsExecuted;

    public KvmCounters Counters { get; } = new();

    public string DescribeCounters() => Counters.Describe();

    public VcpuStop Run(long instructionBudget)
    {
        _interpreter.BindThread();
        _signal.BindThread();
        NoticeDiscontinuity();
        _interpreter.EnterGuest();
        try
        {
            VcpuStop stop = RunGuest(instructionBudget);
            TakeState();
            return stop;
        }
        finally
        {
            _interpreter.LeaveGuest();
        }
    }

    public void Kick()
    {
        _interpreter.Kick();
        _signal.Send();
    }

    public void Dispose()
    {
        Cpu.Memory.RemoveBlindWriter();
        _gate.Part(_leave);
        _interpreter.Dispose();
        if (_ownsCpu)
        {
            Cpu.Dispose();
        }
    }

    private VcpuStop RunGuest(long budget)
    {
        for (long left = budget; left > 0; left -= ExitCost)
        {
            if (Volatile.Read(ref _context->Attention) != 0 && !_interpreter.Attend())
            {
                return VcpuStop.Kicked;
            }

            if (_context->State.Activity != ActivityState.Running || Cpu.HasSignals)
            {
                TakeState();
                if (!Cpu.TryWake())
                {
                    return _context->State.Activity == ActivityState.Shutdown ? VcpuStop.Shutdown : VcpuStop.Halted;
                }
            }

            if (TryGiveState() && TryOfferInterrupt())
            {
                Enter();
            }
            else
            {
                Cpu.DeliverInterrupts();
                HandOver(); // KVM cannot run in this state
            }
        }

        return VcpuStop.BudgetSpent;
    }

    /// <summary>After a load of the state, or a stop of time, KVM has neither: its counter has gone on meanwhile.</summary>
    private void NoticeDiscontinuity()
    {
        if (_discontinuities != Cpu.Discontinuities)
        {
            _discontinuities = Cpu.Discontinuities;
            _isHeld = false;
            _tscIsSet = false;
        }
    }

    /// <summary>One stay in the guest.</summary>
    private void Enter()
    {
        if (Cpu.Wiring.LocalApic is { } apic)
        {
            _page->Cr8 = apic.Cr8;
        }

        _signal.Enter();
        if (Volatile.Read(ref _context->Attention) != 0)
        {
            _signal.Leave();
            return;
        }

        if (!_gate.TryEnter())
        {
            _signal.Leave();
            _gate.WaitUntilOpen();
            return;
        }

        _interpreter.LeaveGuest(); // the TLB here is not used in there
        int error = _vcpu.Run();
        _gate.Leave();
        _signal.Leave();
        _interpreter.EnterGuest();
        Counters.Entries++;
        AfterRun();
        if (error == 0)
        {
            Serve();
        }
        else if (error == HostCalls.Interrupted)
        {
            KickSignal.Drain();
        }
        else if (error != HostCalls.Again)
        {
            throw new InvalidOperationException(
                $"KVM_RUN failed (errno {error}) at RIP 0x{CurrentRip():x}; the host's KVM cannot run this guest. Use --engine " +
                $"translator.");
        }
    }

    /// <summary>What every return from the kernel leaves behind.</summary>
    private void AfterRun()
    {
        _isAhead = true;
        _isIncomplete = false;
        _isReady = _page->ReadyForInterrupt != 0;
        if (Cpu.Wiring.LocalApic is { } apic && apic.Cr8 != (byte)_page->Cr8)
        {
            apic.Cr8 = (byte)_page->Cr8;
        }
    }

    /// <summary>Hands KVM the highest interrupt, or asks it to say when it can take one.</summary>
    /// <returns>False if finishing the last instruction led to a state that KVM cannot run.</returns>
    private bool TryOfferInterrupt()
    {
        _page->RequestInterruptWindow = 0;
        if (Cpu.Wiring.LocalApic is not { HasPendingInterrupt: true } apic)
        {
            return true;
        }

        Complete(); // an instruction may open or close the window at its end
        if (!TryGiveState())
        {
            return false;
        }

        if (!_isReady)
        {
            _page->RequestInterruptWindow = 1;
            return true;
        }

        Cpu.TellStandstill();
        if (apic.TryAcknowledge(out byte vector))
        {
            _vcpu.Interrupt(vector);
            _isReady = false;
            Counters.Interrupts++;
        }

        return true;
    }

    /// <summary>Moves the record's state to KVM unless it is there.</summary>
    /// <returns>False if KVM does not take it.</returns>
    private bool TryGiveState()
    {
        if (_isAhead)
        {
            return true;
        }

        Cpu.GetState(out X86CpuState state);
        if (!_isHeld || !StateEquality.AreEqual(state, _held))
        {
            if (!_transfer.TryStore(state, Cpu.Wiring.LocalApic))
            {
                _isHeld = false;
                return false;
            }

            Counters.Transfers++;

            // An NMI goes first: KVM would take an interrupt that is handed over now for one already on its way.
            bool nmi = state.NmiPending != 0 && state.NmiBlocked == 0;
            _isReady = (state.Rflags & RFlags.IF) != 0 && state.Shadow == InterruptShadow.None && !nmi;
            if (!_tscIsSet || state.TscOffset != _held.TscOffset)
            {
                _tsc.Set();
                _tscIsSet = true;
            }
        }

        _isAhead = true;
        return true;
    }

    /// <summary>Moves KVM's state to the record, finishing what is on its way.</summary>
    private void TakeState()
    {
        if (!_isAhead)
        {
            return;
        }

        Complete();
        if (!_isAhead)
        {
            return;
        }

        X86CpuState state = _context->State;
        _transfer.Load(ref state, out KvmEvents events);
        state.Activity = _context->State.Activity;
        Counters.Transfers++;
        Cpu.SetState(state);
        _isAhead = false;
        _isHeld = true;
        _tsc.Settle();
        Cpu.GetState(out _held);
        DeliverInFlight(events);
    }

    /// <summary>Finishes the instruction of the last exit, with the exits that it still has.</summary>
    private void Complete()
    {
        while (_isIncomplete)
        {
            _gate.Enter(); // it may write to memory
            bool done = _vcpu.TryComplete();
            _gate.Leave();
            AfterRun();
            if (!done)
            {
                Serve();
            }
        }
    }

    private ulong CurrentRip()
    {
        _vcpu.Get(KvmRequest.GetRegisters, out KvmRegisters registers, "registers");
        return registers.Rip;
    }
}
