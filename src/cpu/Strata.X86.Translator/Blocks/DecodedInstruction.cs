using Iced.Intel;

namespace Strata.X86.Translator.Blocks;

/// <summary>One guest instruction on its way through translation, with what it does to the arithmetic flags.</summary>
internal struct DecodedInstruction
{
    /// <summary>OF, SF, ZF, AF, CF and PF in Iced's numbering.</summary>
    public const RflagsBits Arithmetic =
        RflagsBits.OF | RflagsBits.SF | RflagsBits.ZF | RflagsBits.AF | RflagsBits.CF | RflagsBits.PF;

    public Instruction Instruction;
    public InstructionTraits Traits;

    /// <summary>Flags it needs as input.</summary>
    public RflagsBits Reads;

    /// <summary>Flags it changes, or may change.</summary>
    public RflagsBits MayWrite;

    /// <summary>Flags it changes in any case.</summary>
    public RflagsBits MustWrite;

    /// <summary>Flags that somebody after it may still read.</summary>
    public RflagsBits LiveAfter;

    /// <summary>Of a conditional jump in the middle of a block: flags that may be read where it leads to.</summary>
    public RflagsBits LiveTaken;

    /// <summary>Flags that are to be found in the frame when it faults or is left to the interpreter, needed or not.</summary>
    public RflagsBits Kept;

    /// <summary>The page in which its memory operand probably is, if it looks like a table; 0 if not.</summary>
    public ulong Table;

    /// <summary>The group of accesses that it belongs to while groups are looked for; −1 for none.</summary>
    public int Group;

    /// <summary>How it shares its check with others.</summary>
    public SharedCheck Shared;

    /// <summary>Flags needed by it or by somebody after it, from before it.</summary>
    public readonly RflagsBits LiveBefore => (LiveAfter & ~MustWrite) | Reads;

    /// <summary>It must find the guest's flags in the host's: it reads some, or leaves some alone that are still needed.</summary>
    public readonly bool NeedsHostFlags => Reads != 0 || (MayWrite != 0 && LiveBefore != 0);

    /// <summary>A jump or call to an address that is known.</summary>
    public readonly bool IsDirectBranch => Instruction.Op0Kind is OpKind.NearBranch64 or OpKind.NearBranch32 or OpKind.NearBranch16;

    public readonly bool HasMemory => Instruction.Op0Kind == OpKind.Memory || Instruction.Op1Kind == OpKind.Memory
        || (Instruction.OpCount > 2 && Instruction.GetOpKind(2) == OpKind.Memory);

    public static DecodedInstruction Of(in Instruction instruction) => Of(instruction, InstructionTraitsTable.Of(instruction));

    /// <summary>Of code with segments.</summary>
    public static DecodedInstruction OfSegmented(in Instruction instruction) => Of(instruction, SegmentedTraits.Of(instruction));

    private static DecodedInstruction Of(in Instruction instruction, in InstructionTraits traits)
    {
        DecodedInstruction decoded = new() { Instruction = instruction, Traits = traits };
        if (traits.Handling == Handling.Interpret)
        {
            decoded.Reads = Arithmetic;
            return decoded;
        }

        if (instruction.Mnemonic is Mnemonic.Pushfq or Mnemonic.Pushfd or Mnemonic.Pushf or Mnemonic.Int)
        {
            decoded.Reads = Arithmetic;
            return decoded;
        }

        decoded.Reads = instruction.RflagsRead & Arithmetic;
        decoded.MayWrite = instruction.RflagsModified & Arithmetic;
        decoded.MustWrite = IsConditional(instruction) ? 0 : decoded.MayWrite;
        return decoded;
    }

    /// <summary>Shifts and rotates leave the flags alone when the count is zero.</summary>
    private static bool IsConditional(in Instruction instruction)
    {
        if (instruction.Mnemonic is not (Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr or Mnemonic.Sar or Mnemonic.Rol or Mnemonic.Ror
            or Mnemonic.Rcl or Mnemonic.Rcr or Mnemonic.Shld or Mnemonic.Shrd))
        {
            return false;
        }

        int last = instruction.OpCount - 1;
        return instruction.GetOpKind(last) == OpKind.Register || (instruction.Immediate8 & 0x1F) == 0;
    }
}
