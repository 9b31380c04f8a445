using Iced.Intel;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Simd;

/// <summary>The SHA extensions against the host: every form, and every immediate of the one that has one.</summary>
public sealed class ShaHostTests
{
    [HostFeatureTheory(CpuidFeature.SHA)]
    [InlineData(CpuidFeature.SHA)]
    public void Execute_EveryEncoding_MatchesHost(CpuidFeature feature)
    {
        using SimdComparison comparison = new((int)feature);

        foreach (Code code in SimdEncodings.CodesOf(feature))
        {
            foreach (SimdEncoding encoding in SimdEncodings.FormsOf(code, comparison.Random, displacement: 32))
            {
                comparison.Run(encoding, 100);
            }
        }

        comparison.AssertNoFailures();
    }

    [HostFeatureTheory(CpuidFeature.SHA)]
    [InlineData(Code.Sha1rnds4_xmm_xmmm128_imm8)]
    public void Execute_EveryImmediate_MatchesHost(Code code)
    {
        using SimdComparison comparison = new((int)code);

        for (int immediate = 0; immediate < 256; immediate++)
        {
            Assert.True(SimdEncodings.TryEncode(code, form: 0, (byte)immediate, 0, out SimdEncoding? encoding));
            comparison.Run(encoding, 3);
        }

        comparison.AssertNoFailures();
    }
}
