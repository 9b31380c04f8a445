using Iced.Intel;
using Strata.X86.Comparison;
using Strata.X86.Tests.HostCpu;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>Bit tests, scans, counts, BMI1, BMI2 and CRC32 against the host.</summary>
public sealed class BitHostTests
{
    /// <summary>Bits that a memory bit string reaches to either side; within the memory of the pair.</summary>
    private const int Reach = 7000;

    public static TheoryData<Code, OperandForm> Tests => InstructionForms.Of(Mnemonic.Bt, Mnemonic.Bts, Mnemonic.Btr, Mnemonic.Btc);

    public static TheoryData<Code, OperandForm> Scans => InstructionForms.Of(Mnemonic.Bsf, Mnemonic.Bsr);

    public static TheoryData<Code, OperandForm> Manipulations => InstructionForms.Of(
        Mnemonic.Tzcnt, Mnemonic.Lzcnt, Mnemonic.Popcnt, Mnemonic.Andn, Mnemonic.Bextr, Mnemonic.Blsi, Mnemonic.Blsmsk, Mnemonic.Blsr,
        Mnemonic.Bzhi,
        Mnemonic.Mulx, Mnemonic.Pdep, Mnemonic.Pext, Mnemonic.Rorx, Mnemonic.Sarx, Mnemonic.Shlx, Mnemonic.Shrx, Mnemonic.Crc32);

    [HostTheory]
    [MemberData(nameof(Tests))]
    public void BitTest_RandomOffsets_MatchesHost(Code code, OperandForm form) =>
        HostDifference.AssertNone(code, form, instances: 12, rounds: 50, SetOffset);

    [HostTheory]
    [MemberData(nameof(Scans))]
    public void Scan_RandomOperands_MatchesHost(Code code, OperandForm form) =>
        HostDifference.AssertNone(code, form, instances: 8, rounds: 80, SkipZeroOf32Bits);

    [HostTheory]
    [MemberData(nameof(Manipulations))]
    public void Manipulate_RandomOperands_MatchesHost(Code code, OperandForm form) =>
        HostDifference.AssertNone(code, form, instances: 8, rounds: 100, SetControl);

    /// <summary>Starts, lengths and counts at and around the operand sizes, with noise above them.</summary>
    private static int SetControl(Trial trial)
    {
        Random random = trial.Operands.Random;
        Instruction instruction = trial.Instruction;
        if (instruction.Mnemonic is Mnemonic.Bextr or Mnemonic.Bzhi or Mnemonic.Sarx or Mnemonic.Shlx or Mnemonic.Shrx
            && random.Next(4) != 0)
        {
            int start = (8 * random.Next(9)) + random.Next(-1, 2);
            int length = (8 * random.Next(9)) + random.Next(-1, 2);
            trial.Set(instruction.Op2Register.GetFullRegister(), (byte)start | ((ulong)(byte)length << 8) | (trial.Operands.Next() << 16));
        }

        return HostDifference.NoFault;
    }

    /// <summary>A scan of zero keeps the destination; whether a 32-bit one also keeps its upper half depends on the model.</summary>
    private static int SkipZeroOf32Bits(Trial trial) =>
        UndefinedFlags.Bits(trial.Instruction) == 32 && trial.Read(1) == 0 ? HostDifference.Skip : HostDifference.NoFault;

    /// <summary>A register offset of a memory operand selects bits far outside it, also before it.</summary>
    private static int SetOffset(Trial trial)
    {
        Instruction instruction = trial.Instruction;
        if (instruction.Op0Kind != OpKind.Memory || instruction.Op1Kind != OpKind.Register)
        {
            return HostDifference.NoFault;
        }

        Register offset = instruction.Op1Register.GetFullRegister();
        if (trial.IsAddress(offset))
        {
            return HostDifference.Skip;
        }

        ulong used = ulong.MaxValue >> (64 - UndefinedFlags.Bits(instruction));
        ulong value = (ulong)trial.Operands.Random.Next(-Reach, Reach);
        trial.Set(offset, (value & used) | (trial.Operands.Next() & ~used));
        return HostDifference.NoFault;
    }
}
