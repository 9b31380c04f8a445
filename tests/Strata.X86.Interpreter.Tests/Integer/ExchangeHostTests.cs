using Iced.Intel;
using Strata.X86.Comparison;
using Strata.X86.Registers;
using Strata.X86.Tests.HostCpu;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>Exchanges, with and without LOCK, against the host; comparisons succeed in about half of the cases.</summary>
public sealed unsafe class ExchangeHostTests
{
    public static TheoryData<Code, OperandForm> Exchanges => InstructionForms.Of(Mnemonic.Xchg, Mnemonic.Xadd);

    public static TheoryData<Code, OperandForm> Comparisons =>
        InstructionForms.Of(Mnemonic.Cmpxchg, Mnemonic.Cmpxchg8b, Mnemonic.Cmpxchg16b);

    [HostTheory]
    [MemberData(nameof(Exchanges))]
    public void Exchange_RandomOperands_MatchesHost(Code code, OperandForm form) =>
        HostDifference.AssertNone(code, form, instances: 20, rounds: 40);

    [HostTheory]
    [MemberData(nameof(Comparisons))]
    public void CompareExchange_EqualOrNot_MatchesHost(Code code, OperandForm form) =>
        HostDifference.AssertNone(code, form, instances: 20, rounds: 60, SetAccumulator);

    private static int SetAccumulator(Trial trial)
    {
        if (trial.Operands.Random.Next(2) == 0)
        {
            return HostDifference.NoFault;
        }

        switch (trial.Instruction.Mnemonic)
        {
            case Mnemonic.Cmpxchg:
                ulong used = ulong.MaxValue >> (64 - UndefinedFlags.Bits(trial.Instruction));
                trial.Set(Register.RAX, trial.Read(0) | (trial.Operands.Next() & ~used));
                break;
            case Mnemonic.Cmpxchg8b:
                trial.Set(Register.RAX, *(uint*)trial.Memory | (trial.Operands.Next() << 32));
                trial.Set(Register.RDX, *(uint*)(trial.Memory + 4) | (trial.Operands.Next() << 32));
                break;
            default:
                trial.Set(Register.RAX, *(ulong*)trial.Memory);
                trial.Set(Register.RDX, *(ulong*)(trial.Memory + 8));
                break;
        }

        return HostDifference.NoFault;
    }
}
