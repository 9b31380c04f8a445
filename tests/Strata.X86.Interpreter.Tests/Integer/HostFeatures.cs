using System.Runtime.Intrinsics.X86;
using Iced.Intel;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>Which instructions the host has, by CPUID: one that it lacks would end the test process.</summary>
internal static class HostFeatures
{
    public static bool Has(Code code) => code.CpuidFeatures().All(Has);

    public static bool Has(CpuidFeature feature) => feature switch
    {
        CpuidFeature.SHA => Bit(X86Base.CpuId(7, 0).Ebx, 29),
        CpuidFeature.AVX => Avx.IsSupported,
        CpuidFeature.AVX2 => Avx2.IsSupported,
        CpuidFeature.FMA => Fma.IsSupported,
        CpuidFeature.F16C => Avx.IsSupported && Bit(X86Base.CpuId(1, 0).Ecx, 29),
        CpuidFeature.AES => Aes.IsSupported,
        CpuidFeature.PCLMULQDQ => Pclmulqdq.IsSupported,
        CpuidFeature.VAES => Avx2.IsSupported && Bit(X86Base.CpuId(7, 0).Ecx, 9),
        CpuidFeature.VPCLMULQDQ => Avx2.IsSupported && Bit(X86Base.CpuId(7, 0).Ecx, 10),
        CpuidFeature.POPCNT => Popcnt.IsSupported,
        CpuidFeature.LZCNT => Lzcnt.IsSupported,
        CpuidFeature.BMI1 => Bmi1.IsSupported,
        CpuidFeature.BMI2 => Bmi2.IsSupported,
        CpuidFeature.SSE4_2 => Sse42.IsSupported,
        CpuidFeature.MOVBE => Bit(X86Base.CpuId(1, 0).Ecx, 22),
        CpuidFeature.CMPXCHG16B => Bit(X86Base.CpuId(1, 0).Ecx, 13),
        CpuidFeature.ADX => Bit(X86Base.CpuId(7, 0).Ebx, 19),
        CpuidFeature.INTEL8086 or CpuidFeature.INTEL186 or CpuidFeature.INTEL386 or CpuidFeature.INTEL486 or CpuidFeature.X64
            or CpuidFeature.CMOV or CpuidFeature.CX8 => true,
        _ => false,
    };

    private static bool Bit(int register, int bit) => (register >> bit & 1) != 0;
}
