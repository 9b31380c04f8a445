using System.Runtime.Intrinsics.X86;

namespace Strata.X86.Cpuid;

/// <summary>What the processor under this process can do.</summary>
internal static class HostCpu
{
    /// <summary>Feature words of CPUID, without what the host's system does not save or the runtime was told to leave alone.</summary>
    public static CpuidFeatureSet Features { get; } = X86Base.IsSupported ? Read() : CpuidFeatureSet.None;

    private static CpuidFeatureSet Read()
    {
        const uint fma = 1 << 12;
        const uint avx = 1 << 28;
        const uint f16c = 1 << 29;
        const uint avx2 = 1 << 5;
        const uint vectorAes = (1 << 9) | (1 << 10);
        (_, _, int leaf1Ecx, int leaf1Edx) = X86Base.CpuId(1, 0);
        (_, int leaf7Ebx, int leaf7Ecx, int leaf7Edx) = X86Base.CpuId(7, 0);
        (_, _, int extendedEcx, int extendedEdx) = X86Base.CpuId(unchecked((int)0x8000_0001), 0);
        return new CpuidFeatureSet(
            (uint)leaf1Ecx & ~(Avx.IsSupported ? 0 : fma | avx | f16c),
            (uint)leaf1Edx,
            (uint)leaf7Ebx & ~(Avx2.IsSupported ? 0 : avx2),
            (uint)leaf7Ecx & ~(Avx2.IsSupported ? 0 : vectorAes),
            (uint)leaf7Edx,
            (uint)extendedEcx,
            (uint)extendedEdx,
            0);
    }
}
