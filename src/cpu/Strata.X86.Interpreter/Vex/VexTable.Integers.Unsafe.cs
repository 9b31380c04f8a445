using Iced.Intel;
using Strata.X86.Interpreter.Instructions;
using static Strata.X86.Interpreter.Instructions.SseAbsoluteInstructions;
using static Strata.X86.Interpreter.Instructions.SseHorizontalInstructions;
using static Strata.X86.Interpreter.Instructions.SseMultiplyInstructions;
using static Strata.X86.Interpreter.Instructions.SsePackInstructions;
using static Strata.X86.Interpreter.Vex.VexIntegers;
using static Strata.X86.Interpreter.Vex.VexKernels;

namespace Strata.X86.Interpreter.Vex;

/// <content>Integers and logic.</content>
internal static unsafe partial class VexTable
{
    private static void AddLogic(Dictionary<Mnemonic, (nint Kernel, VexTraits Traits)> lines)
    {
        lines.Add(Mnemonic.Vpand, &Vector<PandOperation>);
        lines.Add(Mnemonic.Vandps, &Vector<AndpsOperation>);
        lines.Add(Mnemonic.Vandpd, &Vector<AndpdOperation>);
        lines.Add(Mnemonic.Vpandn, &Vector<PandnOperation>);
        lines.Add(Mnemonic.Vandnps, &Vector<AndnpsOperation>);
        lines.Add(Mnemonic.Vandnpd, &Vector<AndnpdOperation>);
        lines.Add(Mnemonic.Vpor, &Vector<PorOperation>);
        lines.Add(Mnemonic.Vorps, &Vector<OrpsOperation>);
        lines.Add(Mnemonic.Vorpd, &Vector<OrpdOperation>);
        lines.Add(Mnemonic.Vpxor, &Vector<PxorOperation>);
        lines.Add(Mnemonic.Vxorps, &Vector<XorpsOperation>);
        lines.Add(Mnemonic.Vxorpd, &Vector<XorpdOperation>);
    }

    private static void AddIntegers(Dictionary<Mnemonic, (nint Kernel, VexTraits Traits)> lines)
    {
        lines.Add(Mnemonic.Vpaddb, &Vector<PaddbOperation>);
        lines.Add(Mnemonic.Vpsubb, &Vector<PsubbOperation>);
        lines.Add(Mnemonic.Vpaddw, &Vector<PaddwOperation>);
        lines.Add(Mnemonic.Vpsubw, &Vector<PsubwOperation>);
        lines.Add(Mnemonic.Vpaddd, &Vector<PadddOperation>);
        lines.Add(Mnemonic.Vpsubd, &Vector<PsubdOperation>);
        lines.Add(Mnemonic.Vpaddq, &Vector<PaddqOperation>);
        lines.Add(Mnemonic.Vpsubq, &Vector<PsubqOperation>);
        lines.Add(Mnemonic.Vpaddsb, &Vector<PaddsbOperation>);
        lines.Add(Mnemonic.Vpaddsw, &Vector<PaddswOperation>);
        lines.Add(Mnemonic.Vpaddusb, &Vector<PaddusbOperation>);
        lines.Add(Mnemonic.Vpaddusw, &Vector<PadduswOperation>);
        lines.Add(Mnemonic.Vpsubsb, &Vector<PsubsbOperation>);
        lines.Add(Mnemonic.Vpsubsw, &Vector<PsubswOperation>);
        lines.Add(Mnemonic.Vpsubusb, &Vector<PsubusbOperation>);
        lines.Add(Mnemonic.Vpsubusw, &Vector<PsubuswOperation>);
        lines.Add(Mnemonic.Vpcmpeqb, &Vector<PcmpeqbOperation>);
        lines.Add(Mnemonic.Vpcmpgtb, &Vector<PcmpgtbOperation>);
        lines.Add(Mnemonic.Vpcmpeqw, &Vector<PcmpeqwOperation>);
        lines.Add(Mnemonic.Vpcmpgtw, &Vector<PcmpgtwOperation>);
        lines.Add(Mnemonic.Vpcmpeqd, &Vector<PcmpeqdOperation>);
        lines.Add(Mnemonic.Vpcmpgtd, &Vector<PcmpgtdOperation>);
        lines.Add(Mnemonic.Vpcmpeqq, &Vector<PcmpeqqOperation>);
        lines.Add(Mnemonic.Vpcmpgtq, &Vector<PcmpgtqOperation>);
        lines.Add(Mnemonic.Vpminub, &Vector<PminubOperation>);
        lines.Add(Mnemonic.Vpmaxub, &Vector<PmaxubOperation>);
        lines.Add(Mnemonic.Vpminsw, &Vector<PminswOperation>);
        lines.Add(Mnemonic.Vpmaxsw, &Vector<PmaxswOperation>);
        lines.Add(Mnemonic.Vpminsb, &Vector<PminsbOperation>);
        lines.Add(Mnemonic.Vpmaxsb, &Vector<PmaxsbOperation>);
        lines.Add(Mnemonic.Vpminuw, &Vector<PminuwOperation>);
        lines.Add(Mnemonic.Vpmaxuw, &Vector<PmaxuwOperation>);
        lines.Add(Mnemonic.Vpminsd, &Vector<PminsdOperation>);
        lines.Add(Mnemonic.Vpmaxsd, &Vector<PmaxsdOperation>);
        lines.Add(Mnemonic.Vpminud, &Vector<PminudOperation>);
        lines.Add(Mnemonic.Vpmaxud, &Vector<PmaxudOperation>);
        lines.Add(Mnemonic.Vpmullw, &Vector<PmullwOperation>);
        lines.Add(Mnemonic.Vpmulld, &Vector<PmulldOperation>);
        lines.Add(Mnemonic.Vpavgb, &Lanes<AverageBytes>);
        lines.Add(Mnemonic.Vpavgw, &Lanes<AverageWords>);
        lines.Add(Mnemonic.Vpabsb, &Unary<Absolute1>);
        lines.Add(Mnemonic.Vpabsw, &Unary<Absolute2>);
        lines.Add(Mnemonic.Vpabsd, &Unary<Absolute4>);
        lines.Add(Mnemonic.Vpsignb, &Lanes<Sign1>);
        lines.Add(Mnemonic.Vpsignw, &Lanes<Sign2>);
        lines.Add(Mnemonic.Vpsignd, &Lanes<Sign4>);
        lines.Add(Mnemonic.Vpsadbw, &Lanes<SumDifferences>);
        lines.Add(Mnemonic.Vphaddw, &Lanes<HorizontalAdd2>);
        lines.Add(Mnemonic.Vphaddd, &Lanes<HorizontalAdd4>);
        lines.Add(Mnemonic.Vphaddsw, &Lanes<HorizontalAddSaturated>);
        lines.Add(Mnemonic.Vphsubw, &Lanes<HorizontalSubtract2>);
        lines.Add(Mnemonic.Vphsubd, &Lanes<HorizontalSubtract4>);
        lines.Add(Mnemonic.Vphsubsw, &Lanes<HorizontalSubtractSaturated>);
        lines.Add(Mnemonic.Vpmulhw, &Lanes<MultiplyHigh>);
        lines.Add(Mnemonic.Vpmulhuw, &Lanes<MultiplyHighUnsigned>);
        lines.Add(Mnemonic.Vpmulhrsw, &Lanes<MultiplyHighRounded>);
        lines.Add(Mnemonic.Vpmuludq, &Lanes<MultiplyUnsignedDwords>);
        lines.Add(Mnemonic.Vpmuldq, &Lanes<MultiplySignedDwords>);
        lines.Add(Mnemonic.Vpmaddwd, &Lanes<MultiplyAddWords>);
        lines.Add(Mnemonic.Vpmaddubsw, &Lanes<MultiplyAddBytes>);
        lines.Add(Mnemonic.Vpunpcklbw, &Lanes<UnpackLow1>);
        lines.Add(Mnemonic.Vpunpcklwd, &Lanes<UnpackLow2>);
        lines.Add(Mnemonic.Vpunpckldq, &Lanes<UnpackLow4>);
        lines.Add(Mnemonic.Vpunpcklqdq, &Lanes<UnpackLow8>);
        lines.Add(Mnemonic.Vunpcklps, &Lanes<UnpackLow4>);
        lines.Add(Mnemonic.Vunpcklpd, &Lanes<UnpackLow8>);
        lines.Add(Mnemonic.Vpunpckhbw, &Lanes<UnpackHigh1>);
        lines.Add(Mnemonic.Vpunpckhwd, &Lanes<UnpackHigh2>);
        lines.Add(Mnemonic.Vpunpckhdq, &Lanes<UnpackHigh4>);
        lines.Add(Mnemonic.Vpunpckhqdq, &Lanes<UnpackHigh8>);
        lines.Add(Mnemonic.Vunpckhps, &Lanes<UnpackHigh4>);
        lines.Add(Mnemonic.Vunpckhpd, &Lanes<UnpackHigh8>);
        lines.Add(Mnemonic.Vpacksswb, &Lanes<PackSignedWords>);
        lines.Add(Mnemonic.Vpackuswb, &Lanes<PackUnsignedWords>);
        lines.Add(Mnemonic.Vpackssdw, &Lanes<PackSignedDwords>);
        lines.Add(Mnemonic.Vpackusdw, &Lanes<PackUnsignedDwords>);
    }

    private static void AddShifts(Dictionary<Mnemonic, (nint Kernel, VexTraits Traits)> lines)
    {
        lines.Add(Mnemonic.Vpsllw, &ShiftLeft2);
        lines.Add(Mnemonic.Vpslld, &ShiftLeft4);
        lines.Add(Mnemonic.Vpsllq, &ShiftLeft8);
        lines.Add(Mnemonic.Vpsrlw, &ShiftRight2);
        lines.Add(Mnemonic.Vpsrld, &ShiftRight4);
        lines.Add(Mnemonic.Vpsrlq, &ShiftRight8);
        lines.Add(Mnemonic.Vpsraw, &ShiftSigned2);
        lines.Add(Mnemonic.Vpsrad, &ShiftSigned4);
        lines.Add(Mnemonic.Vpsllvd, &ShiftEachLeft4);
        lines.Add(Mnemonic.Vpsllvq, &ShiftEachLeft8);
        lines.Add(Mnemonic.Vpsrlvd, &ShiftEachRight4);
        lines.Add(Mnemonic.Vpsrlvq, &ShiftEachRight8);
        lines.Add(Mnemonic.Vpsravd, &ShiftEachSigned4);
        lines.Add(Mnemonic.Vpslldq, &ShiftBytesLeft);
        lines.Add(Mnemonic.Vpsrldq, &ShiftBytesRight);
        lines.Add(Mnemonic.Vpmovsxbw, &ExtendSigned1To2);
        lines.Add(Mnemonic.Vpmovsxbd, &ExtendSigned1To4);
        lines.Add(Mnemonic.Vpmovsxbq, &ExtendSigned1To8);
        lines.Add(Mnemonic.Vpmovsxwd, &ExtendSigned2To4);
        lines.Add(Mnemonic.Vpmovsxwq, &ExtendSigned2To8);
        lines.Add(Mnemonic.Vpmovsxdq, &ExtendSigned4To8);
        lines.Add(Mnemonic.Vpmovzxbw, &ExtendZero1To2);
        lines.Add(Mnemonic.Vpmovzxbd, &ExtendZero1To4);
        lines.Add(Mnemonic.Vpmovzxbq, &ExtendZero1To8);
        lines.Add(Mnemonic.Vpmovzxwd, &ExtendZero2To4);
        lines.Add(Mnemonic.Vpmovzxwq, &ExtendZero2To8);
        lines.Add(Mnemonic.Vpmovzxdq, &ExtendZero4To8);
        lines.Add(Mnemonic.Vphminposuw, &MinimumPosition);
        lines.Add(Mnemonic.Vmpsadbw, &MultipleDifferences);
    }
}
