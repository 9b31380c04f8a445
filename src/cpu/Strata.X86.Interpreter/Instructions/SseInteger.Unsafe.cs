using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Integer SIMD whose elements do not meet: one routine for all of them, with the operation a type argument.</summary>
internal static unsafe class SseIntegerInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Paddb, &Binary<PaddbOperation>);
        table.Add(Mnemonic.Psubb, &Binary<PsubbOperation>);
        table.Add(Mnemonic.Paddw, &Binary<PaddwOperation>);
        table.Add(Mnemonic.Psubw, &Binary<PsubwOperation>);
        table.Add(Mnemonic.Paddd, &Binary<PadddOperation>);
        table.Add(Mnemonic.Psubd, &Binary<PsubdOperation>);
        table.Add(Mnemonic.Paddq, &Binary<PaddqOperation>);
        table.Add(Mnemonic.Psubq, &Binary<PsubqOperation>);
        table.Add(Mnemonic.Paddsb, &Binary<PaddsbOperation>);
        table.Add(Mnemonic.Paddsw, &Binary<PaddswOperation>);
        table.Add(Mnemonic.Paddusb, &Binary<PaddusbOperation>);
        table.Add(Mnemonic.Paddusw, &Binary<PadduswOperation>);
        table.Add(Mnemonic.Psubsb, &Binary<PsubsbOperation>);
        table.Add(Mnemonic.Psubsw, &Binary<PsubswOperation>);
        table.Add(Mnemonic.Psubusb, &Binary<PsubusbOperation>);
        table.Add(Mnemonic.Psubusw, &Binary<PsubuswOperation>);
        table.Add(Mnemonic.Pand, &Binary<PandOperation>);
        table.Add(Mnemonic.Andps, &Binary<AndpsOperation>);
        table.Add(Mnemonic.Andpd, &Binary<AndpdOperation>);
        table.Add(Mnemonic.Pandn, &Binary<PandnOperation>);
        table.Add(Mnemonic.Andnps, &Binary<AndnpsOperation>);
        table.Add(Mnemonic.Andnpd, &Binary<AndnpdOperation>);
        table.Add(Mnemonic.Por, &Binary<PorOperation>);
        table.Add(Mnemonic.Orps, &Binary<OrpsOperation>);
        table.Add(Mnemonic.Orpd, &Binary<OrpdOperation>);
        table.Add(Mnemonic.Pxor, &Binary<PxorOperation>);
        table.Add(Mnemonic.Xorps, &Binary<XorpsOperation>);
        table.Add(Mnemonic.Xorpd, &Binary<XorpdOperation>);
        table.Add(Mnemonic.Pcmpeqb, &Binary<PcmpeqbOperation>);
        table.Add(Mnemonic.Pcmpgtb, &Binary<PcmpgtbOperation>);
        table.Add(Mnemonic.Pcmpeqw, &Binary<PcmpeqwOperation>);
        table.Add(Mnemonic.Pcmpgtw, &Binary<PcmpgtwOperation>);
        table.Add(Mnemonic.Pcmpeqd, &Binary<PcmpeqdOperation>);
        table.Add(Mnemonic.Pcmpgtd, &Binary<PcmpgtdOperation>);
        table.Add(Mnemonic.Pcmpeqq, &Binary<PcmpeqqOperation>);
        table.Add(Mnemonic.Pcmpgtq, &Binary<PcmpgtqOperation>);
        table.Add(Mnemonic.Pminub, &Binary<PminubOperation>);
        table.Add(Mnemonic.Pmaxub, &Binary<PmaxubOperation>);
        table.Add(Mnemonic.Pminsw, &Binary<PminswOperation>);
        table.Add(Mnemonic.Pmaxsw, &Binary<PmaxswOperation>);
        table.Add(Mnemonic.Pminsb, &Binary<PminsbOperation>);
        table.Add(Mnemonic.Pmaxsb, &Binary<PmaxsbOperation>);
        table.Add(Mnemonic.Pminuw, &Binary<PminuwOperation>);
        table.Add(Mnemonic.Pmaxuw, &Binary<PmaxuwOperation>);
        table.Add(Mnemonic.Pminsd, &Binary<PminsdOperation>);
        table.Add(Mnemonic.Pmaxsd, &Binary<PmaxsdOperation>);
        table.Add(Mnemonic.Pminud, &Binary<PminudOperation>);
        table.Add(Mnemonic.Pmaxud, &Binary<PmaxudOperation>);
        table.Add(Mnemonic.Pmullw, &Binary<PmullwOperation>);
        table.Add(Mnemonic.Pmulld, &Binary<PmulldOperation>);
    }

    private static void Binary<TOperation>(X86Cpu cpu, Op* op)
        where TOperation : IVectorOperation
    {
        if (Simd.Begin(cpu, op) && Simd.TryRead(cpu, op, 1, out Vector128<byte> b))
        {
            Simd.WriteDestination(cpu, op, TOperation.Apply(Simd.Destination(cpu, op), b));
        }
    }
}
