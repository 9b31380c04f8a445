using Iced.Intel;
using Strata.X86.Registers;
using Strata.X86.Tests.HostCpu;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Simd;

/// <summary>
/// Every MMX and SSE encoding, in register and memory form, on random registers, memory and MXCSR, against the host.
/// </summary>
public sealed unsafe class SimdHostConformanceTests
{
    private const int Rounds = 80;
    private const int ImmediatesPerForm = 8;

    [HostTheory]
    [InlineData(CpuidFeature.MMX)]
    [InlineData(CpuidFeature.SSE)]
    [InlineData(CpuidFeature.SSE2)]
    [InlineData(CpuidFeature.SSE3)]
    [InlineData(CpuidFeature.SSSE3)]
    [InlineData(CpuidFeature.SSE4_1)]
    [InlineData(CpuidFeature.SSE4_2)]
    [InlineData(CpuidFeature.AES)]
    [InlineData(CpuidFeature.PCLMULQDQ)]
    public void Execute_EveryEncoding_MatchesHost(CpuidFeature feature)
    {
        using SimdComparison comparison = new((int)feature);

        foreach (Code code in SimdEncodings.CodesOf(feature))
        {
            int immediates = code.ToOpCode().OpKindsOf().Contains(OpCodeOperandKind.imm8) ? ImmediatesPerForm : 1;
            for (int i = 0; i < immediates; i++)
            {
                foreach (SimdEncoding encoding in SimdEncodings.FormsOf(code, comparison.Random, displacement: 16 * i))
                {
                    comparison.Run(encoding, immediates == 1 ? Rounds : Rounds / 4, host => Point(host, comparison.Random));
                }
            }
        }

        comparison.AssertNoFailures();
    }

    /// <summary>RDI, the implicit address of MASKMOVDQU and MASKMOVQ, on any alignment.</summary>
    private static void Point(HostInstruction host, Random random) => host.Gprs[Gpr.Rdi] = (ulong)host.Memory + (ulong)random.Next(64);
}
