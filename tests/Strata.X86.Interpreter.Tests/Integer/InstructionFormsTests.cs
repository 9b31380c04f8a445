using Iced.Intel;
using Strata.X86.Tests.HostCpu;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>The tables from which the other tests take their rows: an encoding that is missing would be a test that is missing.</summary>
public sealed class InstructionFormsTests
{
    /// <summary>Encodings in 64-bit mode: Intel SDM Vol. 2, the opcode table of each instruction.</summary>
    [HostTheory]
    [InlineData(Mnemonic.Add, 19)]
    [InlineData(Mnemonic.Test, 16)]
    [InlineData(Mnemonic.Inc, 4)]
    [InlineData(Mnemonic.Shl, 12)]
    [InlineData(Mnemonic.Shld, 6)]
    [InlineData(Mnemonic.Imul, 13)]
    [InlineData(Mnemonic.Div, 4)]
    [InlineData(Mnemonic.Bt, 6)]
    [InlineData(Mnemonic.Bsf, 3)]
    [InlineData(Mnemonic.Cmove, 3)]
    [InlineData(Mnemonic.Sete, 1)]
    [InlineData(Mnemonic.Cmpxchg, 4)]
    [InlineData(Mnemonic.Cmpxchg8b, 1)]
    [InlineData(Mnemonic.Lea, 3)]
    [InlineData(Mnemonic.Cqo, 1)]
    public void Of_Mnemonic_HasEveryEncoding(Mnemonic mnemonic, int encodings)
    {
        TheoryData<Code, OperandForm> rows = InstructionForms.Of(mnemonic);

        Assert.Equal(encodings, rows.Select(row => row[0]).Distinct().Count());
    }

    [HostFact]
    public void Of_LockableInstruction_HasEveryForm()
    {
        TheoryData<Code, OperandForm> rows = InstructionForms.Of(Mnemonic.Neg);

        Assert.Equal([OperandForm.Register, OperandForm.HighByte, OperandForm.Memory, OperandForm.Locked],
            rows.Where(row => (Code)row[0] == Code.Neg_rm8).Select(row => (OperandForm)row[1]));
    }
}
