using Iced.Intel;
using Strata.X86.Interpreter.Tests.Integer;
using Strata.X86.Registers;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Simd;

/// <summary>Every VEX encoding of vectors, in register and memory form, on random registers, memory and MXCSR, against the host.</summary>
public sealed unsafe class VexHostTests
{
    private const int Rounds = 60;
    private const int ImmediatesPerForm = 8;
    private const int MemoryCompared = 512;

    [HostFeatureTheory(CpuidFeature.AVX, CpuidFeature.AVX2, CpuidFeature.FMA, CpuidFeature.F16C)]
    [InlineData(CpuidFeature.AVX)]
    [InlineData(CpuidFeature.AVX2)]
    [InlineData(CpuidFeature.FMA)]
    [InlineData(CpuidFeature.F16C)]
    public void Execute_EveryEncoding_MatchesHost(CpuidFeature feature) => Compare(feature);

    [HostFeatureTheory(CpuidFeature.VAES, CpuidFeature.VPCLMULQDQ)]
    [InlineData(CpuidFeature.VAES)]
    [InlineData(CpuidFeature.VPCLMULQDQ)]
    public void Execute_EveryWideCipher_MatchesHost(CpuidFeature feature) => Compare(feature);

    [HostFeatureTheory(CpuidFeature.AVX, CpuidFeature.AVX2, CpuidFeature.F16C)]
    [InlineData(CpuidFeature.AVX)]
    [InlineData(CpuidFeature.AVX2)]
    [InlineData(CpuidFeature.F16C)]
    public void Execute_EveryImmediate_MatchesHost(CpuidFeature feature)
    {
        using SimdComparison comparison = new(~(int)feature, MemoryCompared);

        foreach (Code code in CodesOf(feature).Where(HasImmediate))
        {
            for (int immediate = 0; immediate < 256; immediate++)
            {
                Assert.True(SimdEncodings.TryEncode(code, form: 0, (byte)immediate, 0, out SimdEncoding? encoding)
                    || SimdEncodings.TryEncode(code, form: 3, (byte)immediate, 32, out encoding));
                comparison.Run(encoding, 3);
            }
        }

        comparison.AssertNoFailures();
    }

    [HostFeatureTheory(CpuidFeature.AVX, CpuidFeature.FMA, CpuidFeature.F16C)]
    [InlineData(CpuidFeature.AVX)]
    [InlineData(CpuidFeature.FMA)]
    [InlineData(CpuidFeature.F16C)]
    public void Execute_RandomMasks_RaisesWhatTheHostReports(CpuidFeature feature)
    {
        using SimdComparison comparison = new(300 + (int)feature, MemoryCompared);

        foreach (Code code in CodesOf(feature).Where(SimdExceptionTests.IsFloat))
        {
            foreach (SimdEncoding encoding in SimdEncodings.FormsOf(code, comparison.Random, displacement: 32))
            {
                comparison.RunUnmasked(encoding, 40);
            }
        }

        comparison.AssertNoFailures();
    }

    private static void Compare(CpuidFeature feature)
    {
        using SimdComparison comparison = new((int)feature, MemoryCompared);
        foreach (Code code in CodesOf(feature))
        {
            int immediates = HasImmediate(code) ? ImmediatesPerForm : 1;
            for (int i = 0; i < immediates; i++)
            {
                foreach (SimdEncoding encoding in SimdEncodings.FormsOf(code, comparison.Random, displacement: 32 * i))
                {
                    comparison.Run(
                        encoding,
                        immediates == 1 ? Rounds : Rounds / 4,
                        host => host.Gprs[Gpr.Rdi] = (ulong)host.Memory + (ulong)comparison.Random.Next(64));
                }
            }
        }

        comparison.AssertNoFailures();
    }

    /// <summary>Of this feature, and of no other that the host lacks: SM4 and its kin have AVX among theirs.</summary>
    private static IEnumerable<Code> CodesOf(CpuidFeature feature) =>
        SimdEncodings.CodesOf(feature, EncodingKind.VEX).Where(HostFeatures.Has);

    private static bool HasImmediate(Code code) => code.ToOpCode().OpKindsOf().Contains(OpCodeOperandKind.imm8);
}
