using System.Text;
using Strata.X86.Paging;
using Strata.X86.Paravirt;
using Strata.X86.Registers;

namespace Strata.X86.Cpuid;

/// <summary>The four registers that CPUID returns.</summary>
public readonly record struct CpuidResult(uint Eax, uint Ebx, uint Ecx, uint Edx);

/// <summary>
/// What the processor says of itself: one policy for every engine, so that a guest finds the same processor wherever it runs.
/// An Intel-like part with what its <see cref="Model"/> has. Intel SDM Vol. 2A, "CPUID".
/// </summary>
public sealed record CpuidPolicy
{
    /// <summary>
    /// RDCL_NO, IBRS_ALL, SKIP_L1DFL_VMENTRY, MDS_NO, PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO, BHI_NO, PBRSB_NO, GDS_NO,
    /// RFDS_NO, ITS_NO.
    /// </summary>
    private const ulong SafeFromSpeculation = (1UL << 62) | (1 << 24) | (1 << 0) | (1 << 1) | (1 << 3) | (1 << 5) | (1 << 6) | (1 << 8)
        | (1 << 13) | (1 << 14) | (1 << 15) | (1 << 20) | (1 << 26) | (1 << 27);

    private const uint UsualCrystalFrequency = 25_000_000;

    private const uint Signature = 0x000606A6; // family 6, model 0x6A, stepping 6
    private const uint XsaveWithoutAvx = 576; // legacy area and header
    private const uint XsaveWithAvx = 832;
    private const string Brand = "Strata Virtual CPU";
    private const string Vendor = "GenuineIntel";

    /// <summary>Processors of the machine, 1..255.</summary>
    public int ProcessorCount { get; init; } = 1;

    /// <summary>Hz; a whole number of kHz.</summary>
    public ulong TscFrequency { get; init; } = 1_000_000_000;

    /// <summary>What the machine's processors are.</summary>
    public CpuModel Model { get; init; } = CpuModel.V2;

    /// <summary>
    /// Width of physical addresses that is told. Fewer than there are suit software that makes page tables for all of them.
    /// </summary>
    public int PhysicalAddressBits { get; init; } = PageWalker.PhysicalAddressBits;

    /// <summary>Hz of the crystal that leaf 15H tells of, which the APIC's timer counts; 1,000,000,000 is a multiple of it.</summary>
    public uint CrystalFrequency { get; init; } = UsualCrystalFrequency;

    /// <summary>Features that may be offered; an engine that lacks some narrows it.</summary>
    public CpuidFeatureSet Allowed { get; init; } = CpuidFeatureSet.All;

    /// <summary>What a guest that was built for KVM may use; none: it is not told of such an interface.</summary>
    public ParavirtFeatures Paravirtual
    {
        get => field & (ParavirtFeatures)Allowed.Paravirtual;
        init;
    } = ParavirtFeatures.All;

    /// <summary>What the guest is offered, without the bits that follow control registers.</summary>
    public CpuidFeatureSet Features =>
        (Model.Features with { Paravirtual = (uint)Paravirtual }).Intersect(Allowed);

    /// <summary>IA32_ARCH_CAPABILITIES: the attacks on speculation that need no defence in the guest.</summary>
    public ulong ArchCapabilities { get; init; } = SafeFromSpeculation;

    /// <summary>Virtual nanoseconds to TSC ticks.</summary>
    public ulong ToTsc(long nanoseconds) =>
        TscFrequency == 1_000_000_000 ? (ulong)nanoseconds : (ulong)((UInt128)(ulong)nanoseconds * TscFrequency / 1_000_000_000);

    /// <summary>TSC ticks to virtual nanoseconds.</summary>
    public long ToNanoseconds(ulong ticks) =>
        TscFrequency == 1_000_000_000
            ? (long)Math.Min(ticks, long.MaxValue)
            : (long)UInt128.Min((UInt128)ticks * 1_000_000_000 / TscFrequency, long.MaxValue);

    /// <param name="leaf">EAX.</param>
    /// <param name="subleaf">ECX.</param>
    /// <param name="apicId">Of the processor that asks.</param>
    /// <param name="state">OSXSAVE and APIC-enabled bits follow the control registers.</param>
    /// <param name="apicEnabled">IA32_APIC_BASE bit 11.</param>
    public CpuidResult Query(uint leaf, uint subleaf, uint apicId, in X86CpuState state, bool apicEnabled) => leaf switch
    {
        0x0 => VendorLeaf(0x16, Vendor),
        0x1 => Identification(apicId, state, apicEnabled),
        0x2 => new CpuidResult(0x00FEFF01, 0, 0, 0),
        0x4 => Cache(subleaf),
        0x5 => default,
        0x6 => new CpuidResult(1 << 2, 0, 0, 0), // ARAT
        0x7 when subleaf == 0 => new CpuidResult(0, Features.Leaf7Ebx, Features.Leaf7Ecx, Features.Leaf7Edx),
        0xB => Topology(subleaf, apicId),
        0xD => ExtendedState(subleaf, state.Xcr0),
        0x15 => TscRatio(),
        0x16 => new CpuidResult((uint)(TscFrequency / 1_000_000), (uint)(TscFrequency / 1_000_000), 100, 0),
        0x8000_0000 => new CpuidResult(0x80000008, 0, 0, 0),
        0x8000_0001 => new CpuidResult(0, 0, Features.ExtendedEcx, Features.ExtendedEdx),
        0x8000_0002 or 0x8000_0003 or 0x8000_0004 => BrandLeaf(leaf - 0x80000002),
        0x8000_0006 => new CpuidResult(0, 0, 0x01006040, 0),
        0x8000_0007 => new CpuidResult(0, 0, 0, 1 << 8), // invariant TSC
        0x8000_0008 => new CpuidResult((uint)PhysicalAddressBits | (48 << 8), 0, 0, 0),
        _ => default,
    };

    /// <summary>
    /// TSC = crystal · EBX / EAX. Linux multiplies the crystal in kHz by EBX in 32 bits: that bounds EAX, and the closest fraction
    /// below is off by a few parts in a million at most.
    /// </summary>
    private CpuidResult TscRatio()
    {
        ulong product = uint.MaxValue / (CrystalFrequency / 1000);
        ulong largest = Math.Max(1, product * CrystalFrequency / Math.Max(TscFrequency, 1) - 1);
        (ulong denominator, ulong error) = (1, ulong.MaxValue);
        for (ulong eax = 1; eax <= largest && error > 0; eax++)
        {
            ulong remainder = TscFrequency * eax % CrystalFrequency;
            ulong distance = Math.Min(remainder, CrystalFrequency - remainder) * 1000 / eax;
            (denominator, error) = distance < error ? (eax, distance) : (denominator, error);
        }

        ulong numerator = ((TscFrequency * denominator) + (CrystalFrequency / 2)) / CrystalFrequency;
        return new CpuidResult((uint)denominator, (uint)numerator, CrystalFrequency, 0);
    }

    private CpuidResult Identification(uint apicId, in X86CpuState state, bool apicEnabled)
    {
        CpuidFeatureSet features = Features;
        uint ecx = features.Leaf1Ecx | ((state.Cr4 & Cr4.OSXSAVE) != 0 ? 1u << 27 : 0);
        uint edx = features.Leaf1Edx | (apicEnabled ? 1u << 9 : 0) | (ProcessorCount > 1 ? 1u << 28 : 0);
        uint ebx = (apicId << 24) | ((uint)ProcessorCount << 16) | (8 << 8);
        return new CpuidResult(Signature, ebx, ecx, edx);
    }

    private CpuidResult Cache(uint subleaf)
    {
        uint cores = (uint)(ProcessorCount - 1) << 26;
        return subleaf switch
        {
            0 => new CpuidResult(0x121 | cores, 0x01C0003F, 63, 0), // L1D 32 KiB
            1 => new CpuidResult(0x122 | cores, 0x01C0003F, 63, 0), // L1I 32 KiB
            2 => new CpuidResult(0x143 | cores, 0x03C0003F, 1023, 0), // L2 1 MiB
            _ => default,
        };
    }

    private CpuidResult Topology(uint subleaf, uint apicId)
    {
        uint shift = (uint)System.Numerics.BitOperations.Log2((uint)ProcessorCount * 2 - 1);
        return subleaf switch
        {
            0 => new CpuidResult(0, 1, 0x100, apicId),
            1 => new CpuidResult(shift, (uint)ProcessorCount, 0x201, apicId),
            _ => new CpuidResult(0, 0, subleaf, apicId),
        };
    }

    private CpuidResult ExtendedState(uint subleaf, ulong xcr0) => subleaf switch
    {
        _ when (Features.Leaf1Ecx & CpuidFeatureSet.Xsave) == 0 => default,
        0 => new CpuidResult(HasAvx ? 7u : 3, XsaveSize(xcr0), HasAvx ? XsaveWithAvx : XsaveWithoutAvx, 0),
        1 => new CpuidResult(1 | 2, XsaveSize(xcr0), 0, 0), // XSAVEOPT, XSAVEC
        2 when HasAvx => new CpuidResult(XsaveWithAvx - XsaveWithoutAvx, XsaveWithoutAvx, 0, 0),
        _ => default,
    };

    private bool HasAvx => (Features.Leaf1Ecx & CpuidFeatureSet.Avx) != 0;

    /// <summary>Bytes of the XSAVE area with what XCR0 has on.</summary>
    private static uint XsaveSize(ulong xcr0) => (xcr0 & 4) != 0 ? XsaveWithAvx : XsaveWithoutAvx;

    private static CpuidResult VendorLeaf(uint max, string vendor)
    {
        byte[] text = Encoding.ASCII.GetBytes(vendor);
        return new CpuidResult(max, BitConverter.ToUInt32(text, 0), BitConverter.ToUInt32(text, 8), BitConverter.ToUInt32(text, 4));
    }

    private static CpuidResult BrandLeaf(uint part)
    {
        byte[] text = new byte[48];
        Encoding.ASCII.GetBytes(Brand).CopyTo(text, 0);
        int at = (int)part * 16;
        return new CpuidResult(
            BitConverter.ToUInt32(text, at), BitConverter.ToUInt32(text, at + 4), BitConverter.ToUInt32(text, at + 8),
            BitConverter.ToUInt32(text, at + 12));
    }
}
