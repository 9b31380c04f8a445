using Iced.Intel;
using Strata.X86.Tests.HostCpu;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>Every 64-bit encoding of the two-operand and one-operand arithmetic instructions against the host.</summary>
public sealed class ArithmeticHostTests
{
    public static TheoryData<Code, OperandForm> Forms => InstructionForms.Of(
        Mnemonic.Add, Mnemonic.Adc, Mnemonic.Sub, Mnemonic.Sbb, Mnemonic.And, Mnemonic.Or, Mnemonic.Xor, Mnemonic.Cmp, Mnemonic.Test,
        Mnemonic.Inc, Mnemonic.Dec, Mnemonic.Neg, Mnemonic.Not, Mnemonic.Adcx, Mnemonic.Adox);

    [HostTheory]
    [MemberData(nameof(Forms))]
    public void Arithmetic_RandomOperands_MatchesHost(Code code, OperandForm form) => HostDifference.AssertNone(code, form);
}
