using Iced.Intel;
using Strata.X86.Registers;
using Strata.X86.Tests.HostCpu;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Simd;

/// <summary>All 256 immediates of every instruction that has one, reserved bits included, against the host.</summary>
public sealed unsafe class SimdImmediateTests
{
    private static readonly Code[] StringCompares =
    [
        Code.Pcmpestrm_xmm_xmmm128_imm8, Code.Pcmpestrm64_xmm_xmmm128_imm8, Code.Pcmpestri_xmm_xmmm128_imm8,
        Code.Pcmpestri64_xmm_xmmm128_imm8, Code.Pcmpistrm_xmm_xmmm128_imm8, Code.Pcmpistri_xmm_xmmm128_imm8,
    ];

    [HostTheory]
    [InlineData(0)]
    [InlineData(3)]
    public void CompareStrings_EveryImmediate_MatchesHost(int form)
    {
        using SimdComparison comparison = new(form);

        foreach (Code code in StringCompares)
        {
            for (int immediate = 0; immediate < 256; immediate++)
            {
                Assert.True(SimdEncodings.TryEncode(code, form, (byte)immediate, 32, out SimdEncoding? encoding));
                comparison.Run(encoding, 25, host => SetLengths(host, comparison.Random));
            }
        }

        comparison.AssertNoFailures();
    }

    [HostTheory]
    [InlineData(CpuidFeature.MMX)]
    [InlineData(CpuidFeature.SSE)]
    [InlineData(CpuidFeature.SSE2)]
    [InlineData(CpuidFeature.SSSE3)]
    [InlineData(CpuidFeature.SSE4_1)]
    [InlineData(CpuidFeature.AES)]
    [InlineData(CpuidFeature.PCLMULQDQ)]
    public void Execute_EveryImmediate_MatchesHost(CpuidFeature feature)
    {
        using SimdComparison comparison = new(~(int)feature);

        foreach (Code code in SimdEncodings.CodesOf(feature).Where(c => c.ToOpCode().OpKindsOf().Contains(OpCodeOperandKind.imm8)))
        {
            for (int immediate = 0; immediate < 256; immediate++)
            {
                Assert.True(SimdEncodings.TryEncode(code, form: 0, (byte)immediate, 0, out SimdEncoding? encoding));
                comparison.Run(encoding, 3);
            }
        }

        comparison.AssertNoFailures();
    }

    /// <summary>RAX and RDX: lengths around zero and the limits, negative ones, and the extremes of 32 and 64 bits.</summary>
    private static void SetLengths(HostInstruction host, Random random)
    {
        foreach (int register in (ReadOnlySpan<int>)[Gpr.Rax, Gpr.Rdx])
        {
            host.Gprs[register] = random.Next(10) switch
            {
                0 => host.Gprs[register],
                1 => 0x80000000,
                2 => 0x8000000000000000,
                3 => (ulong)random.Next(-20, 20) ^ 0xA5A5A5A500000000,
                _ => (ulong)random.Next(-20, 20),
            };
        }
    }
}
