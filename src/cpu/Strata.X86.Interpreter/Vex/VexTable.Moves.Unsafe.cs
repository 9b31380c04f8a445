using Iced.Intel;
using Strata.X86.Interpreter.Instructions;
using static Strata.X86.Interpreter.Instructions.SseShuffleInstructions;
using static Strata.X86.Interpreter.Vex.VexCrypto;
using static Strata.X86.Interpreter.Vex.VexKernels;
using static Strata.X86.Interpreter.Vex.VexMoves;
using static Strata.X86.Interpreter.Vex.VexPermutes;

namespace Strata.X86.Interpreter.Vex;

/// <content>Moves, permutes and cryptography.</content>
internal static unsafe partial class VexTable
{
    private static void AddMoves(Dictionary<Mnemonic, (nint Kernel, VexTraits Traits)> lines)
    {
        lines.Add(Mnemonic.Vmovaps, &Copy, VexTraits.Aligned);
        lines.Add(Mnemonic.Vmovapd, &Copy, VexTraits.Aligned);
        lines.Add(Mnemonic.Vmovdqa, &Copy, VexTraits.Aligned);
        lines.Add(Mnemonic.Vmovntps, &Copy, VexTraits.Aligned);
        lines.Add(Mnemonic.Vmovntpd, &Copy, VexTraits.Aligned);
        lines.Add(Mnemonic.Vmovntdq, &Copy, VexTraits.Aligned);
        lines.Add(Mnemonic.Vmovntdqa, &Copy, VexTraits.Aligned);
        lines.Add(Mnemonic.Vmovups, &Copy);
        lines.Add(Mnemonic.Vmovupd, &Copy);
        lines.Add(Mnemonic.Vmovdqu, &Copy);
        lines.Add(Mnemonic.Vlddqu, &Copy);
        lines.Add(Mnemonic.Vmovd, &Dword);
        lines.Add(Mnemonic.Vmovq, &Qword);
        lines.Add(Mnemonic.Vmovss, &Single);
        lines.Add(Mnemonic.Vmovsd, &Double);
        lines.Add(Mnemonic.Vmovlps, &Low);
        lines.Add(Mnemonic.Vmovlpd, &Low);
        lines.Add(Mnemonic.Vmovhps, &High);
        lines.Add(Mnemonic.Vmovhpd, &High);
        lines.Add(Mnemonic.Vmovhlps, &HighToLow);
        lines.Add(Mnemonic.Vmovlhps, &LowToHigh);
        lines.Add(Mnemonic.Vmovddup, &DuplicateDouble);
        lines.Add(Mnemonic.Vmovsldup, &Unary<DuplicateEven>);
        lines.Add(Mnemonic.Vmovshdup, &Unary<DuplicateOdd>);
        lines.Add(Mnemonic.Vpmovmskb, &Signs1);
        lines.Add(Mnemonic.Vmovmskps, &Signs4);
        lines.Add(Mnemonic.Vmovmskpd, &Signs8);
        lines.Add(Mnemonic.Vpextrb, &Extract1);
        lines.Add(Mnemonic.Vpextrw, &Extract2);
        lines.Add(Mnemonic.Vpextrd, &Extract4);
        lines.Add(Mnemonic.Vpextrq, &Extract8);
        lines.Add(Mnemonic.Vextractps, &Extract4);
        lines.Add(Mnemonic.Vpinsrb, &Insert1);
        lines.Add(Mnemonic.Vpinsrw, &Insert2);
        lines.Add(Mnemonic.Vpinsrd, &Insert4);
        lines.Add(Mnemonic.Vpinsrq, &Insert8);
        lines.Add(Mnemonic.Vinsertps, &InsertSingle);
        lines.Add(Mnemonic.Vptest, &Test, VexTraits.Compares);
        lines.Add(Mnemonic.Vtestps, &TestSingles, VexTraits.Compares);
        lines.Add(Mnemonic.Vtestpd, &TestDoubles, VexTraits.Compares);
    }

    private static void AddPermutes(Dictionary<Mnemonic, (nint Kernel, VexTraits Traits)> lines)
    {
        lines.Add(Mnemonic.Vbroadcastss, &Broadcast4);
        lines.Add(Mnemonic.Vbroadcastsd, &Broadcast8);
        lines.Add(Mnemonic.Vbroadcastf128, &Broadcast16);
        lines.Add(Mnemonic.Vbroadcasti128, &Broadcast16);
        lines.Add(Mnemonic.Vpbroadcastb, &Broadcast1);
        lines.Add(Mnemonic.Vpbroadcastw, &Broadcast2);
        lines.Add(Mnemonic.Vpbroadcastd, &Broadcast4);
        lines.Add(Mnemonic.Vpbroadcastq, &Broadcast8);
        lines.Add(Mnemonic.Vinsertf128, &InsertLane);
        lines.Add(Mnemonic.Vinserti128, &InsertLane);
        lines.Add(Mnemonic.Vextractf128, &ExtractLane);
        lines.Add(Mnemonic.Vextracti128, &ExtractLane);
        lines.Add(Mnemonic.Vperm2f128, &Lanes2);
        lines.Add(Mnemonic.Vperm2i128, &Lanes2);
        lines.Add(Mnemonic.Vpermd, &DwordsAcross);
        lines.Add(Mnemonic.Vpermps, &DwordsAcross);
        lines.Add(Mnemonic.Vpermq, &QwordsAcross);
        lines.Add(Mnemonic.Vpermpd, &QwordsAcross);
        lines.Add(Mnemonic.Vpermilps, &Singles);
        lines.Add(Mnemonic.Vpermilpd, &Doubles);
        lines.Add(Mnemonic.Vshufpd, &ShuffleDoubles);
        lines.Add(Mnemonic.Vshufps, &Lanes<ShuffleSingles>);
        lines.Add(Mnemonic.Vpshufb, &Lanes<ShuffleBytes>);
        lines.Add(Mnemonic.Vpshufd, &Unary<ShuffleDwords>);
        lines.Add(Mnemonic.Vpshuflw, &Unary<ShuffleLowWords>);
        lines.Add(Mnemonic.Vpshufhw, &Unary<ShuffleHighWords>);
        lines.Add(Mnemonic.Vpalignr, &Lanes<Align>);
        lines.Add(Mnemonic.Vpblendw, &Blend2);
        lines.Add(Mnemonic.Vblendps, &Blend4);
        lines.Add(Mnemonic.Vpblendd, &Blend4);
        lines.Add(Mnemonic.Vblendpd, &Blend8);
        lines.Add(Mnemonic.Vpblendvb, &BlendBySign1);
        lines.Add(Mnemonic.Vblendvps, &BlendBySign4);
        lines.Add(Mnemonic.Vblendvpd, &BlendBySign8);
        lines.Add(Mnemonic.Vaesenc, &Encrypt);
        lines.Add(Mnemonic.Vaesenclast, &EncryptLast);
        lines.Add(Mnemonic.Vaesdec, &Decrypt);
        lines.Add(Mnemonic.Vaesdeclast, &DecryptLast);
        lines.Add(Mnemonic.Vaesimc, &InverseMixColumns);
        lines.Add(Mnemonic.Vaeskeygenassist, &KeyAssist);
        lines.Add(Mnemonic.Vpclmulqdq, &CarrylessMultiply);
    }
}
