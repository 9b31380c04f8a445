using Iced.Intel;
using Strata.X86.Comparison;
using Strata.X86.Tests.HostCpu;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>Shifts and rotates with every count against the host.</summary>
public sealed class ShiftHostTests
{
    public static TheoryData<Code, OperandForm> Forms => InstructionForms.Of(
        Mnemonic.Shl, Mnemonic.Sal, Mnemonic.Shr, Mnemonic.Sar, Mnemonic.Rol, Mnemonic.Ror, Mnemonic.Rcl, Mnemonic.Rcr, Mnemonic.Shld,
        Mnemonic.Shrd);

    [HostTheory]
    [MemberData(nameof(Forms))]
    public void Shift_EveryCount_MatchesHost(Code code, OperandForm form)
    {
        if (InstructionForms.OperandKinds(code)[^1] == OpCodeOperandKind.imm8)
        {
            RunImmediates(code, form);
        }
        else
        {
            HostDifference.AssertNone(code, form, instances: 4, rounds: 160, SetCount);
        }
    }

    private static void RunImmediates(Code code, OperandForm form)
    {
        using HostDifference difference = new((int)code);
        for (int count = 0; count < 72; count++)
        {
            Instruction instruction = InstructionForms.Build(code, form, difference.Operands.Random);
            instruction.SetImmediate(instruction.OpCount - 1, count < 70 ? count : difference.Operands.Random.Next(70, 256));
            if (HasDefinedResult(instruction, 0))
            {
                difference.Run(instruction, rounds: 6);
            }
        }

        difference.AssertNone();
    }

    private static int SetCount(Trial trial)
    {
        trial.Set(Register.RCX, (trial.Operands.Next() & ~0xFFUL) | (uint)trial.Operands.Random.Next(256));
        return HasDefinedResult(trial.Instruction, trial.Cl) ? HostDifference.NoFault : HostDifference.Skip;
    }

    /// <summary>SHLD and SHRD of 16 bits by more than 16 have an undefined result.</summary>
    private static bool HasDefinedResult(in Instruction instruction, byte cl) =>
        instruction.Mnemonic is not (Mnemonic.Shld or Mnemonic.Shrd)
            || UndefinedFlags.Count(instruction, cl) <= UndefinedFlags.Bits(instruction);
}
