using Iced.Intel;

namespace Strata.X86.Translator.Blocks;

/// <summary>What of 32-bit code can be translated.</summary>
internal sealed partial class BlockTranslator
{
    /// <summary>
    /// Addresses of 32 bits. Writes through CS fault and reads are rare, so that override is the interpreter's, as are addresses of 16
    /// bits.
    /// </summary>
    private static bool CanAddress32(in Instruction instruction) =>
        IsAddressRegister32(instruction.MemoryBase) && IsAddressRegister32(instruction.MemoryIndex)
        && (instruction.MemoryBase != Register.None || instruction.MemoryIndex != Register.None || instruction.MemoryDisplSize == 4)
        && instruction.MemorySegment != Register.CS;

    private static bool IsSegmentLoad(in Instruction instruction) => instruction.Mnemonic is Mnemonic.Mov or Mnemonic.Pop
        && instruction.Op0Kind == OpKind.Register && instruction.Op0Register.IsSegmentRegister();

    /// <summary>A load of SS holds interrupts off behind it, and one of CS does not exist.</summary>
    private static bool CanLoadSegment(in Instruction instruction) =>
        instruction.Op0Register is Register.ES or Register.DS or Register.FS or Register.GS
        && (instruction.OpCount == 1 || instruction.Op1Kind == OpKind.Register);

    private static bool IsAddressRegister32(Register register) => register == Register.None || register.IsGPR32();
}
