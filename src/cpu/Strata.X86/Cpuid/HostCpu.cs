using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Strata.X86.Cpuid;

/// <summary>
/// What the processor under this process can do. Code that is emitted asks here: IsSupported of the intrinsics tells what this program's
/// own compiler may use, and is false for AVX and BMI in a command that is compiled ahead of time. Any thread.
/// </summary>
public static class HostCpu
{
    /// <summary>Feature words of CPUID, without what the host's system does not save or the runtime was told to leave alone.</summary>
    public static CpuidFeatureSet Features { get; } = X86Base.IsSupported ? Read() : CpuidFeatureSet.None;

    /// <summary>RORX, SHLX, MULX and the rest of BMI2.</summary>
    public static bool HasBmi2 { get; } = (Features.Leaf7Ebx & (1 << 8)) != 0;

    /// <summary>AVX, by the processor and by the host's system.</summary>
    public static bool HasAvx { get; } = (Features.Leaf1Ecx & CpuidFeatureSet.Avx) != 0;

    private static CpuidFeatureSet Read()
    {
        const uint fma = 1 << 12;
        const uint f16c = 1 << 29;
        const uint avx2 = 1 << 5;
        const uint vectorAes = (1 << 9) | (1 << 10);
        (_, _, int leaf1Ecx, int leaf1Edx) = X86Base.CpuId(1, 0);
        (_, int leaf7Ebx, int leaf7Ecx, int leaf7Edx) = X86Base.CpuId(7, 0);
        (_, _, int extendedEcx, int extendedEdx) = X86Base.CpuId(unchecked((int)0x8000_0001), 0);
        (bool hasAvx, bool hasAvx2) = FindAvx();
        return new CpuidFeatureSet(
            (uint)leaf1Ecx & ~(hasAvx ? 0 : fma | CpuidFeatureSet.Avx | f16c),
            (uint)leaf1Edx,
            (uint)leaf7Ebx & ~(hasAvx2 ? 0 : avx2),
            (uint)leaf7Ecx & ~(hasAvx2 ? 0 : vectorAes),
            (uint)leaf7Edx,
            (uint)extendedEcx,
            (uint)extendedEdx,
            0);
    }

    /// <summary>Whether the system saves AVX's registers: by the runtime, or where there is none to ask, the host's kernel.</summary>
    private static (bool Avx, bool Avx2) FindAvx()
    {
        const string kernelsList = "/proc/cpuinfo";
        if (RuntimeFeature.IsDynamicCodeCompiled)
        {
            return (Avx.IsSupported, Avx2.IsSupported);
        }

        string[] flags = File.Exists(kernelsList)
            ? File.ReadLines(kernelsList).FirstOrDefault(line => line.StartsWith("flags", StringComparison.Ordinal))?.Split(' ') ?? []
            : [];
        return (flags.Contains("avx"), flags.Contains("avx2"));
    }
}
