using Strata.X86.Apic;
using Strata.X86.Paravirt;
using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>VMCALL and VMMCALL, and what else a guest that was built for KVM knows (<see cref="ParavirtualInterface"/>).</summary>
public sealed unsafe partial class X86Cpu
{
    private const ulong IcrShorthandAndLogical = (3UL << 18) | (1 << 11);

    private int _kicked;

    /// <summary>Records in guest memory; on the vCPU's thread, or while it stands still.</summary>
    public ParavirtualInterface Paravirtual { get; }

    /// <summary>Ends the halt, or the next one. Any thread; the caller kicks the vCPU afterwards.</summary>
    public void PostWake() => Volatile.Write(ref _kicked, 1);

    /// <summary>Moves the TSC, and with it what the guest's clock takes for time zero.</summary>
    public void MoveTsc(ulong ticks)
    {
        Context->State.TscOffset += ticks;
        Paravirtual.PublishClock(Context->State.TscOffset);
    }

    /// <summary>Serves a hypercall: arguments and result are in the registers.</summary>
    public void ServeHypercall()
    {
        ulong mask = Is64Bit ? ulong.MaxValue : uint.MaxValue;
        long result = Cpl != 0 ? Hypercall.NotPermitted : Serve(Register(Gpr.Rax) & mask, mask);
        Register(Gpr.Rax) = (ulong)result & mask;
    }

    private long Serve(ulong number, ulong mask)
    {
        ParavirtFeatures features = Wiring.Cpuid.Paravirtual;
        switch (number)
        {
            case Hypercall.PollInterrupts:
                return 0;
            case Hypercall.KickCpu when (features & ParavirtFeatures.Unhalt) != 0 && Wiring.LocalApic is LocalApic apic:
                apic.WakeProcessor((uint)Register(Gpr.Rcx));
                return 0;
            case Hypercall.ClockPairing when (features & ParavirtFeatures.Clock) != 0:
                Context->EndBlock = 1; // the record may lie in a page of code
                return Paravirtual.PairClocks(Register(Gpr.Rbx) & mask, Register(Gpr.Rcx) & mask, TscAt);
            case Hypercall.SendIpi when (features & ParavirtFeatures.SendIpi) != 0 && Wiring.LocalApic is LocalApic apic:
                return SendIpi(apic, mask);
            case Hypercall.SchedYield when (features & ParavirtFeatures.SchedYield) != 0:
                Thread.Yield();
                return 0;
            default:
                return Hypercall.NoSuchCall;
        }
    }

    /// <returns>Processors reached.</returns>
    private long SendIpi(LocalApic apic, ulong mask)
    {
        int width = mask == ulong.MaxValue ? 64 : 32;
        ulong first = Register(Gpr.Rdx) & mask;
        ulong icr = Register(Gpr.Rsi) & mask;
        if ((icr & IcrShorthandAndLogical) != 0)
        {
            return Hypercall.BadArgument;
        }

        long reached = 0;
        for (int i = 0; i < 2 * width; i++)
        {
            ulong word = Register(i < width ? Gpr.Rbx : Gpr.Rcx) & mask;
            ulong id = first + (ulong)i;
            if (((word >> (i % width)) & 1) != 0 && id >= first && id <= uint.MaxValue)
            {
                reached += apic.SendTo((DeliveryMode)((icr >> 8) & 7), (byte)icr, (uint)id) ? 1 : 0;
            }
        }

        return reached;
    }
}
