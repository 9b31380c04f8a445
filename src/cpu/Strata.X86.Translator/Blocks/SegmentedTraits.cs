using Iced.Intel;

namespace Strata.X86.Translator.Blocks;

/// <summary>
/// How instructions of code with segments are translated: as elsewhere where only operands and addresses differ, and in their own way
/// where the stack, RIP or a segment register is involved.
/// </summary>
internal static class SegmentedTraits
{
    public static InstructionTraits Of(in Instruction instruction)
    {
        InstructionTraits traits = InstructionTraitsTable.Of(instruction);
        Handling handling = Choose(instruction, traits);
        return handling == traits.Handling ? traits : traits with { Handling = handling };
    }

    private static Handling Choose(in Instruction instruction, in InstructionTraits traits)
    {
        switch (instruction.Code)
        {
            case Code.Push_r16 or Code.Push_r32 or Code.Pushw_imm8 or Code.Push_imm16 or Code.Pushd_imm8 or Code.Pushd_imm32
                or Code.Push_rm16 or Code.Push_rm32:
                return Handling.Push;
            case Code.Pop_r16 or Code.Pop_r32:
                return Handling.Pop;
            case Code.Leavew or Code.Leaved:
                return Handling.Leave;
            case Code.Div_rm8 or Code.Div_rm16 or Code.Div_rm32 or Code.Idiv_rm8 or Code.Idiv_rm16 or Code.Idiv_rm32:
                return Handling.Divide;
            case Code.Jmp_rel8_16 or Code.Jmp_rel16 or Code.Jmp_rm16 or Code.Jmp_rel8_32 or Code.Jmp_rel32_32 or Code.Jmp_rm32:
                return Handling.Jump;
            case Code.Loop_rel8_16_CX or Code.Loop_rel8_32_CX or Code.Loop_rel8_16_ECX or Code.Loop_rel8_32_ECX
                or Code.Jcxz_rel8_16 or Code.Jcxz_rel8_32 or Code.Jecxz_rel8_16 or Code.Jecxz_rel8_32:
                return Handling.JumpIf;
            case Code.Call_rel16 or Code.Call_rm16 or Code.Call_rel32_32 or Code.Call_rm32:
                return Handling.Call;
            case Code.Retnw or Code.Retnw_imm16 or Code.Retnd or Code.Retnd_imm16:
                return Handling.Return;
            case Code.Jmp_ptr1616 or Code.Jmp_m1616 or Code.Call_ptr1616 or Code.Call_m1616 or Code.Retfw or Code.Retfw_imm16
                or Code.Int_imm8 or Code.Iretw:
                return Handling.Far;
        }

        if (IsSystem(instruction.Code))
        {
            return Handling.System;
        }

        if (instruction.IsJccShortOrNear)
        {
            return Handling.JumpIf;
        }

        return traits.Handling is Handling.Nothing or Handling.Lea or Handling.String
            || (traits.Handling == Handling.Native && !traits.IsBitString && instruction.OpCode.Encoding == EncodingKind.Legacy)
            ? traits.Handling
            : Handling.Interpret;
    }

    private static bool IsSystem(Code code) => code is
        Code.Mov_rm16_Sreg or Code.Mov_r32m16_Sreg or Code.Mov_Sreg_rm16 or Code.Mov_Sreg_r32m16
        or Code.Pushw_ES or Code.Pushw_CS or Code.Pushw_SS or Code.Pushw_DS or Code.Pushw_FS or Code.Pushw_GS
        or Code.Pushd_ES or Code.Pushd_CS or Code.Pushd_SS or Code.Pushd_DS or Code.Pushd_FS or Code.Pushd_GS
        or Code.Popw_ES or Code.Popw_SS or Code.Popw_DS or Code.Popw_FS or Code.Popw_GS
        or Code.Popd_ES or Code.Popd_SS or Code.Popd_DS or Code.Popd_FS or Code.Popd_GS
        or Code.Les_r16_m1616 or Code.Les_r32_m1632 or Code.Lds_r16_m1616 or Code.Lds_r32_m1632
        or Code.Lss_r16_m1616 or Code.Lss_r32_m1632 or Code.Lfs_r16_m1616 or Code.Lfs_r32_m1632
        or Code.Lgs_r16_m1616 or Code.Lgs_r32_m1632
        or Code.Pushaw or Code.Pushad or Code.Popaw or Code.Popad
        or Code.Pushfw or Code.Pushfd or Code.Popfw or Code.Popfd
        or Code.Cli or Code.Sti or Code.Cld or Code.Rdtsc;

    /// <summary>Loads of segment registers.</summary>
    public static bool IsSegmentLoad(in Instruction instruction) => instruction.Code is
        Code.Mov_Sreg_rm16 or Code.Mov_Sreg_r32m16 || instruction.Mnemonic is Mnemonic.Les or Mnemonic.Lds or Mnemonic.Lss or Mnemonic.Lfs
        or Mnemonic.Lgs || (instruction.Mnemonic == Mnemonic.Pop && instruction.Op0Register.IsSegmentRegister());

    /// <summary>The segment register that an instruction loads.</summary>
    public static Register LoadedBy(in Instruction instruction) => instruction.Mnemonic switch
    {
        Mnemonic.Les => Register.ES,
        Mnemonic.Lds => Register.DS,
        Mnemonic.Lss => Register.SS,
        Mnemonic.Lfs => Register.FS,
        Mnemonic.Lgs => Register.GS,
        _ => instruction.Op0Register,
    };

    /// <summary>Bytes of an operand that is as wide as the code says: 2 or 4.</summary>
    public static int OperandBytes(in Instruction instruction) => instruction.OpCode.OperandSize / 8;

    /// <summary>Whether the memory operand's offset has 16 bits.</summary>
    public static bool IsAddress16(in Instruction instruction)
    {
        Register register = instruction.MemoryBase != Register.None ? instruction.MemoryBase : instruction.MemoryIndex;
        return register == Register.None ? instruction.MemoryDisplSize == 2 : register.IsGPR16();
    }
}
