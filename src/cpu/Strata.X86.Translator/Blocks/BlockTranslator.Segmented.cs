using Iced.Intel;
using Strata.X86.Translator.Cache;

namespace Strata.X86.Translator.Blocks;

/// <summary>What of code with segments can be translated.</summary>
internal sealed partial class BlockTranslator
{
    private bool CanTranslateSegmented(in DecodedInstruction decoded, ReadOnlySpan<byte> code)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        if (instruction.IP + (ulong)instruction.Length - 1 > _segment.Limit || !CanAddressSegmented(instruction))
        {
            return false;
        }

        return decoded.Traits.Handling switch
        {
            Handling.Interpret => false,
            Handling.Native => CanEncode(decoded, code),
            Handling.String => CanRepeatSegmented(instruction) && !decoded.HasMemory,
            Handling.System when SegmentedTraits.IsSegmentLoad(instruction) =>
                _segment.LoadsSegments && SegmentedTraits.LoadedBy(instruction) != Register.CS,
            Handling.System when instruction.Mnemonic is Mnemonic.Pushf or Mnemonic.Pushfd => !_segment.Has(SegmentTraits.Virtual),
            Handling.Far => _segment.IsPlainReal,
            >= Handling.Jump when decoded.IsDirectBranch => instruction.NearBranchTarget <= _segment.Limit,
            _ => true,
        };
    }

    /// <summary>Addresses with general registers: what else there is has no plain offset.</summary>
    private static bool CanAddressSegmented(in Instruction instruction)
    {
        bool isMemory = false;
        for (int i = 0; i < instruction.OpCount; i++)
        {
            isMemory |= instruction.GetOpKind(i) == OpKind.Memory;
        }

        return !isMemory || (IsAddressRegister(instruction.MemoryBase) && IsAddressRegister(instruction.MemoryIndex));
    }

    private static bool IsAddressRegister(Register register) => register == Register.None || register.IsGPR16() || register.IsGPR32();

    private static bool CanRepeatSegmented(in Instruction instruction) => !IsRepeated(instruction)
        || (instruction.HasRepPrefix && !instruction.HasRepnePrefix && instruction.Mnemonic is Mnemonic.Stosb or Mnemonic.Stosw
            or Mnemonic.Stosd or Mnemonic.Movsb or Mnemonic.Movsw or Mnemonic.Movsd);

    /// <summary>Whether an instruction holds interrupts off behind itself: it is no block's last one.</summary>
    private static bool HoldsOffInterrupts(in Instruction instruction) => instruction.Code == Code.Sti
        || (SegmentedTraits.IsSegmentLoad(instruction) && SegmentedTraits.LoadedBy(instruction) == Register.SS);
}
