using System.Numerics;
using Iced.Intel;
using Strata.X86.Registers;

namespace Strata.X86.Comparison;

/// <summary>
/// The flags that the manual leaves undefined after an instruction. Shifts and rotates depend on the count; the others are in
/// Iced's tables. Intel SDM Vol. 2, "Flags Affected" of each instruction.
/// </summary>
public static class UndefinedFlags
{
    /// <param name="cl">CL before the instruction.</param>
    public static ulong After(in Instruction instruction, byte cl) =>
        IsShift(instruction) ? AfterShift(instruction, Count(instruction, cl)) : Fixed(instruction);

    /// <summary>What may be undefined whatever the operands are.</summary>
    public static ulong AtMost(in Instruction instruction) => Kind(instruction.Mnemonic) switch
    {
        ShiftKind.None => Fixed(instruction),
        ShiftKind.Rotate => RFlags.OF,
        _ => RFlags.OF | RFlags.AF | RFlags.CF,
    };

    /// <summary>
    /// Whether the result itself is, or may be, undefined: a double shift by more bits than the operand has, BSWAP of 16 bits,
    /// F2XM1 and FYL2XP1, which are defined in a narrow range only, and the approximations and transcendental functions, of which the
    /// manual gives a bound of the error: processors of different makers have different last bits, and round another way.
    /// </summary>
    /// <param name="cl">CL before the instruction.</param>
    public static bool IsResultUndefined(in Instruction instruction, byte cl) => instruction.Code == Code.Bswap_r16
        || instruction.Mnemonic is Mnemonic.F2xm1 or Mnemonic.Fyl2xp1 or Mnemonic.Fyl2x or Mnemonic.Fptan or Mnemonic.Fpatan
            or Mnemonic.Fsin
                or Mnemonic.Fcos
                or Mnemonic.Fsincos
                or Mnemonic.Rcpps
                or Mnemonic.Rcpss
                or Mnemonic.Rsqrtps
                or Mnemonic.Rsqrtss
                or Mnemonic.Vrcpps
                or Mnemonic.Vrcpss
                or Mnemonic.Vrsqrtps
                or Mnemonic.Vrsqrtss
        || ChoosesAmongNans(instruction)
        || (Kind(instruction.Mnemonic) == ShiftKind.Double && Count(instruction, cl) > Bits(instruction));

    /// <summary>
    /// Whether the instruction adds several products. Which of their NaNs it gives then differs between models, and between the elements of
    /// one result; one product has no choice.
    /// </summary>
    public static bool ChoosesAmongNans(in Instruction instruction) => instruction.Mnemonic switch
    {
        Mnemonic.Dpps or Mnemonic.Vdpps => BitOperations.PopCount((uint)instruction.Immediate8 >> 4) > 1,
        Mnemonic.Dppd or Mnemonic.Vdppd => ((instruction.Immediate8 >> 4) & 3) == 3,
        _ => false,
    };

    public static bool IsShift(in Instruction instruction) => Kind(instruction.Mnemonic) != ShiftKind.None;

    /// <summary>The count of a shift or rotate, masked to 5 or 6 bits.</summary>
    public static int Count(in Instruction instruction, byte cl)
    {
        int last = instruction.OpCount - 1;
        int count = instruction.GetOpKind(last) == OpKind.Register ? cl : instruction.Immediate8;
        return count & (Bits(instruction) == 64 ? 63 : 31);
    }

    /// <summary>Width of the first operand.</summary>
    public static int Bits(in Instruction instruction) => 8 * (instruction.Op0Kind == OpKind.Memory
        ? instruction.MemorySize.GetSize()
        : instruction.Op0Register.GetSize());

    private static ulong AfterShift(in Instruction instruction, int count)
    {
        if (count == 0)
        {
            return 0;
        }

        ulong overflow = count == 1 ? 0 : RFlags.OF;
        return Kind(instruction.Mnemonic) switch
        {
            ShiftKind.Rotate => overflow,
            ShiftKind.Arithmetic => overflow | RFlags.AF,
            ShiftKind.Logical => overflow | RFlags.AF | (count >= Bits(instruction) ? RFlags.CF : 0),
            _ => count > Bits(instruction) ? RFlags.Arithmetic : overflow | RFlags.AF,
        };
    }

    /// <summary>Bits of RFLAGS for Iced's arithmetic flags.</summary>
    public static ulong ToRflags(RflagsBits bits) =>
        Flag(bits, RflagsBits.OF, RFlags.OF) | Flag(bits, RflagsBits.SF, RFlags.SF) | Flag(bits, RflagsBits.ZF, RFlags.ZF)
        | Flag(bits, RflagsBits.AF, RFlags.AF) | Flag(bits, RflagsBits.CF, RFlags.CF) | Flag(bits, RflagsBits.PF, RFlags.PF);

    private static ulong Fixed(in Instruction instruction) => ToRflags(instruction.RflagsUndefined);

    private static ulong Flag(RflagsBits bits, RflagsBits bit, ulong flag) => (bits & bit) != 0 ? flag : 0;

    private static ShiftKind Kind(Mnemonic mnemonic) => mnemonic switch
    {
        Mnemonic.Rol or Mnemonic.Ror or Mnemonic.Rcl or Mnemonic.Rcr => ShiftKind.Rotate,
        Mnemonic.Shl or Mnemonic.Shr or Mnemonic.Sal => ShiftKind.Logical,
        Mnemonic.Sar => ShiftKind.Arithmetic,
        Mnemonic.Shld or Mnemonic.Shrd => ShiftKind.Double,
        _ => ShiftKind.None,
    };

    private enum ShiftKind
    {
        None,
        Rotate,
        Logical,
        Arithmetic,
        Double,
    }
}
