using Iced.Intel;
using Strata.X86.Tests.HostCpu;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>Moves, conversions, conditions and flag transfers against the host; LEA also with 32-bit addresses.</summary>
public sealed class MoveHostTests
{
    public static TheoryData<Code, OperandForm> Moves => InstructionForms.Of(
        Mnemonic.Mov, Mnemonic.Movzx, Mnemonic.Movsx, Mnemonic.Movsxd, Mnemonic.Movbe, Mnemonic.Bswap);

    public static TheoryData<Code, OperandForm> Conditions => InstructionForms.Of(InstructionForms.Conditional);

    public static TheoryData<Code, OperandForm> Implicit => InstructionForms.Of(
        Mnemonic.Cbw, Mnemonic.Cwde, Mnemonic.Cdqe, Mnemonic.Cwd, Mnemonic.Cdq, Mnemonic.Cqo, Mnemonic.Lahf, Mnemonic.Sahf,
        Mnemonic.Clc, Mnemonic.Stc, Mnemonic.Cmc, Mnemonic.Cld, Mnemonic.Std);

    public static TheoryData<Code, OperandForm> Addresses => InstructionForms.Of(Mnemonic.Lea);

    [HostTheory]
    [MemberData(nameof(Moves))]
    public void Move_RandomOperands_MatchesHost(Code code, OperandForm form) =>
        HostDifference.AssertNone(code, form, instances: 12, rounds: 25);

    [HostTheory]
    [MemberData(nameof(Conditions))]
    public void Condition_RandomFlags_MatchesHost(Code code, OperandForm form) =>
        HostDifference.AssertNone(code, form, instances: 6, rounds: 64);

    [HostTheory]
    [MemberData(nameof(Implicit))]
    public void ImplicitOperands_RandomValues_MatchesHost(Code code, OperandForm form) =>
        HostDifference.AssertNone(code, form, instances: 1, rounds: 1000);

    [HostTheory]
    [MemberData(nameof(Addresses))]
    public void Lea_RandomAddress_MatchesHost(Code code, OperandForm form) =>
        HostDifference.AssertNone(code, form, instances: 60, rounds: 20);

    [HostTheory]
    [MemberData(nameof(Addresses))]
    public void Lea_AddressOf32Bits_MatchesHost(Code code, OperandForm form)
    {
        using HostDifference difference = new((int)code);
        for (int i = 0; i < 60; i++)
        {
            Instruction instruction = InstructionForms.Build(code, form, difference.Operands.Random);
            InstructionForms.MakeAddress32(ref instruction);
            difference.Run(instruction, rounds: 20);
        }

        difference.AssertNone();
    }
}
