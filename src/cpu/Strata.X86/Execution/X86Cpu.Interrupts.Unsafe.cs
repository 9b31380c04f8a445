using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>Asynchronous events: INTR, NMI, INIT and start-up IPIs.</summary>
public sealed unsafe partial class X86Cpu
{
    private const int SignalInit = 1;
    private const int SignalStartup = 2;
    private const int SignalStoodStill = 4;
    private const int SignalNmi = 8; // counted from here up
    internal const int MaxPendingNmis = 2; // one being delivered and one latched behind it

    private int _signals;
    private volatile byte _startupVector;

    /// <summary>Latches an NMI. Any thread; the caller kicks the vCPU afterwards.</summary>
    public void PostNmi() => Interlocked.Add(ref _signals, SignalNmi);

    /// <summary>Latches an INIT. Any thread.</summary>
    public void PostInit() => Interlocked.Or(ref _signals, SignalInit);

    /// <summary>Latches a start-up IPI; it counts only while the processor waits for one. Any thread.</summary>
    public void PostStartup(byte vector)
    {
        _startupVector = vector;
        Interlocked.Or(ref _signals, SignalStartup);
    }

    /// <summary>
    /// The host did not run the machine for long: the guest is told before it takes another interrupt. Any thread; needs no kick, as
    /// only interrupts lead a guest to ask for it.
    /// </summary>
    public void PostStoodStill() => Interlocked.Or(ref _signals, SignalStoodStill);

    /// <summary>
    /// Right before an interrupt is taken: one that was pending already when the host left the machine alone counts as well.
    /// </summary>
    public void TellStandstill()
    {
        Wiring.LookForStandstill?.Invoke();
        if ((Interlocked.And(ref _signals, ~SignalStoodStill) & SignalStoodStill) != 0)
        {
            Wiring.Hypercalls?.OnStoodStill();
        }
    }

    /// <summary>Something has been posted and not been looked at.</summary>
    public bool HasSignals => Volatile.Read(ref _signals) != 0;

    /// <summary>Looks whether something ends a halt or a wait for start-up.</summary>
    public bool TryWake()
    {
        ref X86CpuState s = ref Context->State;
        TakeSignals();
        if (s.Activity == ActivityState.Halted && (Interlocked.Exchange(ref _kicked, 0) != 0 || IsEventDue))
        {
            s.Activity = ActivityState.Running;
        }

        return s.Activity == ActivityState.Running;
    }

    /// <summary>Delivers what is pending and allowed before the next instruction.</summary>
    public void DeliverInterrupts()
    {
        ref X86CpuState s = ref Context->State;
        if (Volatile.Read(ref _signals) != 0)
        {
            TakeSignals();
        }

        if (s.Shadow != InterruptShadow.None || s.Activity != ActivityState.Running)
        {
            return;
        }

        if (s.NmiPending != 0 && s.NmiBlocked == 0)
        {
            s.NmiPending--;
            DeliverNmi();
        }
        else if ((s.Rflags & RFlags.IF) != 0 && Wiring.LocalApic is { HasPendingInterrupt: true } apic)
        {
            TellStandstill();
            if (apic.TryAcknowledge(out byte vector))
            {
                DeliverInterrupt(vector);
            }
        }
    }

    /// <summary>An interrupt or NMI is pending; whether it can be delivered now is another question.</summary>
    public bool IsEventWaiting => Context->State.NmiPending != 0 || Wiring.LocalApic is { HasPendingInterrupt: true };

    /// <summary>An interrupt or NMI is pending that nothing masks; an interrupt shadow may still hold it off for one instruction.</summary>
    public bool IsEventDue
    {
        get
        {
            ref X86CpuState s = ref Context->State;
            return (s.NmiPending != 0 && s.NmiBlocked == 0)
                || ((s.Rflags & RFlags.IF) != 0 && Wiring.LocalApic is { HasPendingInterrupt: true });
        }
    }

    private void TakeSignals()
    {
        int signals = Interlocked.Exchange(ref _signals, 0);
        ref X86CpuState s = ref Context->State;
        int limit = s.NmiBlocked != 0 ? 1 : MaxPendingNmis;
        s.NmiPending = (byte)Math.Min((uint)limit, s.NmiPending + ((uint)signals / SignalNmi));

        if ((signals & SignalStoodStill) != 0)
        {
            Wiring.Hypercalls?.OnStoodStill();
        }

        if ((signals & SignalInit) != 0)
        {
            Init();
        }

        if ((signals & SignalStartup) != 0 && s.Activity == ActivityState.WaitForStartup)
        {
            s.Cs.Selector = (ushort)(_startupVector << 8);
            s.Cs.Base = (ulong)_startupVector << 12;
            s.Rip = 0;
            s.Activity = ActivityState.Running;
            UpdateMode();
        }
    }

    /// <summary>
    /// INIT keeps the vector and x87 state, the MSRs and the caches of memory types. Intel SDM Vol. 3A, table "Processor State Following
    /// Power-up, Reset, or INIT".
    /// </summary>
    private void Init()
    {
        ref X86CpuState s = ref Context->State;
        X86CpuState old = s;
        X86CpuState reset = X86CpuState.AtReset();
        s.Gprs[0] = 0;
        for (int i = 0; i < 17; i++)
        {
            s.Gprs[i] = reset.Gprs[i];
        }

        s.Rip = reset.Rip;
        Rflags = reset.Rflags;
        for (SegmentIndex i = SegmentIndex.Es; i <= SegmentIndex.Tr; i++)
        {
            s.Segment(i) = reset.Segment(i);
        }

        s.Gdtr = reset.Gdtr;
        s.Idtr = reset.Idtr;
        s.Cr0 = reset.Cr0 | (old.Cr0 & (Cr0.CD | Cr0.NW));
        s.Cr2 = s.Cr3 = s.Cr4 = 0;
        s.EferMsr = 0;
        s.Dr6 = reset.Dr6;
        s.Dr7 = reset.Dr7;
        s.NmiBlocked = s.NmiPending = 0;
        s.Shadow = InterruptShadow.None;
        s.Activity = Wiring.Index == 0 ? ActivityState.Running : ActivityState.WaitForStartup;
        Context->Cpl = 0;
        Context->PendingException = 0;
        Wiring.LocalApic?.Init();
        Wiring.Hypercalls?.Reset();
        Volatile.Write(ref _kicked, 0);
        Tlb.FlushAll();
        UpdateMode();
    }
}
