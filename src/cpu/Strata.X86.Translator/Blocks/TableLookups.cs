using Iced.Intel;

namespace Strata.X86.Translator.Blocks;

/// <summary>
/// Guesses which accesses are look-ups in a small table: an index made from a byte, on a base that stays put. Their page is then
/// known while translating, and the TLB's entry for it can be loaded beside the address instead of behind it. Translated code
/// checks the guess, so that a wrong one costs time and nothing else.
/// </summary>
internal static class TableLookups
{
    private const ulong PageMask = ~0xFFFUL;

    /// <summary>Notes the guesses.</summary>
    /// <param name="registers">Guest registers RAX..R15 at the block's start, by which the first access goes.</param>
    public static void Find(Span<DecodedInstruction> instructions, CodeMode mode, ReadOnlySpan<ulong> registers)
    {
        for (int i = 0; i < instructions.Length; i++)
        {
            ref readonly Instruction instruction = ref instructions[i].Instruction;
            if (!IsAddressRegister(instruction.MemoryIndex, mode) || instruction.MemorySegment is Register.FS or Register.GS
                || !instructions[i].HasMemory || !IsByte(instructions[..i], instruction.MemoryIndex.GetFullRegister()))
            {
                continue;
            }

            ulong table = instruction.MemoryDisplacement64;
            if (instruction.MemoryBase != Register.None)
            {
                Register at = instruction.MemoryBase.GetFullRegister();
                if (!IsAddressRegister(instruction.MemoryBase, mode) || LastWriter(instructions[..i], at) >= 0)
                {
                    continue;
                }

                table += registers[at - Register.RAX];
            }

            instructions[i].Table = (mode == CodeMode.Code32 ? (uint)table : table) & PageMask;
        }
    }

    private static bool IsAddressRegister(Register register, CodeMode mode) =>
        mode == CodeMode.Code32 ? register.IsGPR32() : register.IsGPR64();

    private static bool IsByte(ReadOnlySpan<DecodedInstruction> before, Register index)
    {
        int writer = LastWriter(before, index);
        return writer >= 0 && before[writer].Instruction.Code is Code.Movzx_r32_rm8 or Code.Movzx_r64_rm8;
    }

    /// <summary>The last instruction whose first operand is a register; implied operands are overlooked.</summary>
    private static int LastWriter(ReadOnlySpan<DecodedInstruction> before, Register register)
    {
        for (int i = before.Length - 1; i >= 0; i--)
        {
            ref readonly Instruction instruction = ref before[i].Instruction;
            if (instruction.Op0Kind == OpKind.Register && instruction.Op0Register.GetFullRegister() == register
                && instruction.Mnemonic is not (Mnemonic.Cmp or Mnemonic.Test or Mnemonic.Push))
            {
                return i;
            }
        }

        return -1;
    }
}
