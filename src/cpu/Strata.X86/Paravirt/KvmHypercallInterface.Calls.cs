using Strata.X86.Apic;
using Strata.X86.Execution;
using Strata.X86.Registers;

namespace Strata.X86.Paravirt;

/// <summary>The calls: <see cref="Hypercall"/>.</summary>
public sealed partial class KvmHypercallInterface
{
    private const ulong IcrShorthandAndLogical = (3UL << 18) | (1 << 11);

    public void Serve(X86Cpu cpu)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        ulong mask = cpu.Is64Bit ? ulong.MaxValue : uint.MaxValue;
        long result = cpu.Cpl != 0 ? Hypercall.NotPermitted : Serve(cpu, cpu.Register(Gpr.Rax) & mask, mask);
        cpu.Register(Gpr.Rax) = (ulong)result & mask;
    }

    private long Serve(X86Cpu cpu, ulong number, ulong mask)
    {
        switch (number)
        {
            case Hypercall.PollInterrupts:
                return 0;
            case Hypercall.KickCpu when Has(ParavirtFeatures.Unhalt) && _apic is LocalApic apic:
                apic.WakeProcessor((uint)cpu.Register(Gpr.Rcx));
                return 0;
            case Hypercall.ClockPairing when Has(ParavirtFeatures.Clock):
                return PairClocks(cpu, cpu.Register(Gpr.Rbx) & mask, cpu.Register(Gpr.Rcx) & mask);
            case Hypercall.SendIpi when Has(ParavirtFeatures.SendIpi) && _apic is LocalApic apic:
                return SendIpi(cpu, apic, mask);
            case Hypercall.SchedYield when Has(ParavirtFeatures.SchedYield):
                Thread.Yield();
                return 0;
            default:
                return Hypercall.NoSuchCall;
        }
    }

    /// <summary>By it a guest sets its clock as by a PTP clock.</summary>
    /// <param name="kind">0 is the wall clock.</param>
    /// <returns>0, or why not.</returns>
    private long PairClocks(X86Cpu cpu, ulong address, ulong kind)
    {
        if (kind != 0)
        {
            return Hypercall.NotSupported;
        }

        Span<byte> record = stackalloc byte[GuestRecord.ClockPairingSize];
        DateTime time = _wall.ReadWorld(out long now);
        GuestRecord.WriteClockPairing(record, time, cpu.TscAt(now));
        return _memory.TryWriteBytes(address, record) ? 0 : Hypercall.BadAddress;
    }

    /// <returns>Processors reached.</returns>
    private static long SendIpi(X86Cpu cpu, LocalApic apic, ulong mask)
    {
        int width = mask == ulong.MaxValue ? 64 : 32;
        ulong first = cpu.Register(Gpr.Rdx) & mask;
        ulong icr = cpu.Register(Gpr.Rsi) & mask;
        if ((icr & IcrShorthandAndLogical) != 0)
        {
            return Hypercall.BadArgument;
        }

        long reached = 0;
        for (int i = 0; i < 2 * width; i++)
        {
            ulong word = cpu.Register(i < width ? Gpr.Rbx : Gpr.Rcx) & mask;
            ulong id = first + (ulong)i;
            if (((word >> (i % width)) & 1) != 0 && id >= first && id <= uint.MaxValue)
            {
                reached += apic.SendTo((DeliveryMode)((icr >> 8) & 7), (byte)icr, (uint)id) ? 1 : 0;
            }
        }

        return reached;
    }
}
