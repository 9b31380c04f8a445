using Strata.X86.Cpuid;
using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>Control registers and EFER. Intel SDM Vol. 3A, "Control Registers".</summary>
public sealed unsafe partial class X86Cpu
{
    internal const ulong Cr0Writable = Cr0.PE | Cr0.MP | Cr0.EM | Cr0.TS | Cr0.NE | Cr0.WP | Cr0.AM | Cr0.NW | Cr0.CD | Cr0.PG;
    private const ulong Cr3NoFlush = 1UL << 63;
    private const ulong PcidMask = 0xFFF;

    /// <summary>x87, SSE and AVX.</summary>
    internal const ulong Xcr0Writable = 7;

    private const ulong Xcr0Sse = 2;
    private const ulong Xcr0Avx = 4;

    /// <summary>Bits of CR4 that this processor has.</summary>
    internal const ulong Cr4Writable = Cr4.VME | Cr4.PVI | Cr4.TSD | Cr4.DE | Cr4.PSE | Cr4.PAE | Cr4.MCE | Cr4.PGE | Cr4.PCE | Cr4.OSFXSR
        | Cr4.OSXMMEXCPT | Cr4.UMIP | Cr4.FSGSBASE | Cr4.PCIDE | Cr4.OSXSAVE | Cr4.SMEP | Cr4.SMAP;

    internal const ulong EferWritable = Efer.SCE | Efer.LME | Efer.NXE;

    /// <summary>Components of state that XSETBV can turn on: AVX where the guest is offered it.</summary>
    public ulong SupportedXcr0 =>
        (Wiring.Cpuid.Features.Leaf1Ecx & CpuidFeatureSet.Avx) != 0 ? Xcr0Writable : Xcr0Writable & ~Xcr0Avx;

    /// <summary>Whether the components can be on together: x87 always, AVX not without SSE.</summary>
    public static bool IsXcr0(ulong value) => (value & 1) != 0 && (value & (Xcr0Sse | Xcr0Avx)) != Xcr0Avx;

    /// <summary>MOV from CR0, CR2, CR3, CR4 or CR8; the privilege check is the instruction's.</summary>
    public bool TryReadControl(int number, out ulong value)
    {
        ref X86CpuState s = ref Context->State;
        value = number switch
        {
            0 => s.Cr0,
            2 => s.Cr2,
            3 => s.Cr3,
            4 => s.Cr4,
            8 => Wiring.LocalApic?.Cr8 ?? 0u,
            _ => 0,
        };
        return number is 0 or 2 or 3 or 4 or 8 || Raise(ExceptionVector.InvalidOpcode);
    }

    /// <summary>MOV to a control register.</summary>
    public bool TryWriteControl(int number, ulong value)
    {
        switch (number)
        {
            case 0:
                return TryWriteCr0(value);
            case 2:
                Context->State.Cr2 = value;
                return true;
            case 3:
                return TryWriteCr3(value);
            case 4:
                return TryWriteCr4(value);
            case 8:
                if ((value & ~0xFUL) != 0)
                {
                    return RaiseGeneralProtection();
                }

                if (Wiring.LocalApic is { } apic)
                {
                    apic.Cr8 = (byte)value;
                }

                Context->EndBlock = 1;
                return true;
            default:
                return Raise(ExceptionVector.InvalidOpcode);
        }
    }

    public bool TryWriteCr0(ulong value)
    {
        ref X86CpuState s = ref Context->State;
        bool paging = (value & Cr0.PG) != 0;
        if (value > uint.MaxValue || (paging && (value & Cr0.PE) == 0) || ((value & Cr0.NW) != 0 && (value & Cr0.CD) == 0))
        {
            return RaiseGeneralProtection();
        }

        value = (value & Cr0Writable) | Cr0.ET;
        bool wasPaging = (s.Cr0 & Cr0.PG) != 0;
        ulong efer = s.EferMsr;
        if (paging && !wasPaging && (efer & Efer.LME) != 0)
        {
            if ((s.Cr4 & Cr4.PAE) == 0 || (s.Cs.Attributes & SegmentState.Long) != 0)
            {
                return RaiseGeneralProtection();
            }

            efer |= Efer.LMA;
        }
        else if (!paging && wasPaging)
        {
            if (Is64Bit || (s.Cr4 & Cr4.PCIDE) != 0)
            {
                return RaiseGeneralProtection();
            }

            efer &= ~Efer.LMA;
        }

        ulong changed = s.Cr0 ^ value;
        if (paging && (efer & Efer.LMA) == 0 && (s.Cr4 & Cr4.PAE) != 0 && (changed & (Cr0.PG | Cr0.CD | Cr0.NW)) != 0
            && !TryLoadPdptes(s.Cr3))
        {
            return false;
        }

        s.Cr0 = value;
        s.EferMsr = efer;
        if ((changed & (Cr0.PG | Cr0.WP | Cr0.PE)) != 0)
        {
            Tlb.FlushAll();
        }

        UpdateMode();
        return true;
    }

    public bool TryWriteCr3(ulong value)
    {
        ref X86CpuState s = ref Context->State;
        bool pcids = (s.Cr4 & Cr4.PCIDE) != 0;
        bool keep = pcids && (value & Cr3NoFlush) != 0;
        value = pcids ? value & ~Cr3NoFlush : value;
        if (IsLongMode)
        {
            if ((value >> Paging.PageWalker.PhysicalAddressBits) != 0)
            {
                return RaiseGeneralProtection();
            }
        }
        else
        {
            value &= uint.MaxValue;
            if ((s.Cr0 & Cr0.PG) != 0 && (s.Cr4 & Cr4.PAE) != 0 && !TryLoadPdptes(value))
            {
                return false;
            }
        }

        s.Cr3 = value;
        Tlb.SwitchTo(pcids ? (int)(value & PcidMask) : 0, !keep);
        SelectTlb();
        Context->EndBlock = 1;
        return true;
    }

    public bool TryWriteCr4(ulong value)
    {
        ref X86CpuState s = ref Context->State;
        ulong changed = s.Cr4 ^ value;
        if ((value & ~Cr4Writable) != 0
            || (IsLongMode && (value & Cr4.PAE) == 0)
            || ((changed & value & Cr4.PCIDE) != 0 && (!IsLongMode || (s.Cr3 & PcidMask) != 0)))
        {
            return RaiseGeneralProtection();
        }

        if ((s.Cr0 & Cr0.PG) != 0 && !IsLongMode && (value & Cr4.PAE) != 0
            && (changed & (Cr4.PAE | Cr4.PGE | Cr4.PSE | Cr4.SMEP)) != 0)
        {
            if (!TryLoadPdptes(s.Cr3))
            {
                return false;
            }
        }

        s.Cr4 = value;
        if ((changed & (Cr4.PAE | Cr4.PGE | Cr4.PSE | Cr4.SMEP | Cr4.SMAP | Cr4.PCIDE)) != 0)
        {
            Tlb.FlushAll();
            Tlb.SwitchTo((value & Cr4.PCIDE) != 0 ? (int)(s.Cr3 & PcidMask) : 0, flush: true);
        }

        UpdateMode();
        return true;
    }

    public bool TryWriteEfer(ulong value)
    {
        ref X86CpuState s = ref Context->State;
        if ((value & ~(EferWritable | Efer.LMA)) != 0
            || (((value ^ s.EferMsr) & Efer.LME) != 0 && (s.Cr0 & Cr0.PG) != 0))
        {
            return RaiseGeneralProtection();
        }

        ulong changed = s.EferMsr ^ value;
        s.EferMsr = (value & EferWritable) | (s.EferMsr & Efer.LMA);
        if ((changed & Efer.NXE) != 0)
        {
            Tlb.FlushAll();
        }

        UpdateMode();
        return true;
    }

    /// <summary>INVPCID. Intel SDM Vol. 2A, "INVPCID".</summary>
    public bool TryInvalidatePcid(ulong type, ulong descriptor, ulong address)
    {
        ulong pcid = descriptor & PcidMask;
        bool pcids = (Context->State.Cr4 & Cr4.PCIDE) != 0;
        if (type > 3 || (descriptor & ~PcidMask) != 0 || (type <= 1 && !pcids && pcid != 0) || (type == 0 && !IsCanonical(address)))
        {
            return RaiseGeneralProtection();
        }

        switch (type)
        {
            case 0:
                Tlb.FlushPage(address);
                break;
            case 1:
                Tlb.FlushPcid((int)pcid);
                break;
            default:
                Tlb.FlushAll();
                break;
        }

        Context->EndBlock = 1;
        return true;
    }

    private void LoadPdptes()
    {
        if ((Context->State.Cr4 & Cr4.PAE) != 0 && !IsLongMode)
        {
            TryLoadPdptes(Context->State.Cr3);
        }
    }

    /// <summary>Loads the four PAE entries; a present one with reserved bits is #GP and nothing is loaded.</summary>
    private bool TryLoadPdptes(ulong cr3)
    {
        const ulong reserved = 0x1E6 | ~((1UL << Paging.PageWalker.PhysicalAddressBits) - 1);
        ulong* entries = stackalloc ulong[4];
        for (uint i = 0; i < 4; i++)
        {
            entries[i] = Memory.Read((cr3 & 0xFFFFFFE0) + (i * 8), Core.Bus.AccessWidth.Qword);
            if ((entries[i] & 1) != 0 && (entries[i] & reserved) != 0)
            {
                return RaiseGeneralProtection();
            }
        }

        for (int i = 0; i < 4; i++)
        {
            Context->State.Pdptes[i] = entries[i];
        }

        return true;
    }
}
