using Iced.Intel;
using Strata.X86.Comparison;
using Strata.X86.Registers;
using Strata.X86.Tests.HostCpu;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>Multiplication and division against the host; quotients that do not fit are predicted and must raise #DE.</summary>
public sealed unsafe class MultiplyDivideHostTests
{
    private const int DivideError = 0;

    public static TheoryData<Code, OperandForm> Multiplications => InstructionForms.Of(Mnemonic.Mul, Mnemonic.Imul);

    public static TheoryData<Code, OperandForm> Divisions => InstructionForms.Of(Mnemonic.Div, Mnemonic.Idiv);

    [HostTheory]
    [MemberData(nameof(Multiplications))]
    public void Multiply_RandomOperands_MatchesHost(Code code, OperandForm form) =>
        HostDifference.AssertNone(code, form, instances: 12, rounds: 60);

    [HostTheory]
    [MemberData(nameof(Divisions))]
    public void Divide_RandomOperands_MatchesHostOrRaisesDivideError(Code code, OperandForm form) =>
        HostDifference.AssertNone(code, form, instances: 12, rounds: 150, Arrange);

    private static int Arrange(Trial trial)
    {
        int bits = UndefinedFlags.Bits(trial.Instruction);
        bool signed = trial.Instruction.Mnemonic == Mnemonic.Idiv;
        Int128 divisor = Extend(trial.Read(0), bits, signed);
        ulong random = trial.Operands.Next();
        Int128 quotient = trial.Operands.Random.Next(4) switch
        {
            0 => Extend(random, bits, signed),
            1 => (Int128.One << (signed ? bits - 1 : bits)) - (random % 3),
            2 => -(Int128.One << (bits - 1)) + 1 - (random % 3),
            _ => 0,
        };
        if (quotient != 0)
        {
            SetDividend(trial, bits, unchecked((quotient * divisor) + (Int128)(trial.Operands.Next() & 0xFF) - 0x40));
        }

        return Fits(trial, bits, signed) ? HostDifference.NoFault : DivideError;
    }

    private static void SetDividend(Trial trial, int bits, Int128 value)
    {
        ulong low = (ulong)(UInt128)value;
        ulong high = (ulong)((UInt128)value >> bits);
        trial.Set(Register.RAX, low);
        if (bits > 8)
        {
            trial.Set(Register.RDX, high);
        }
    }

    /// <summary>Whether the quotient of what the registers now hold can be represented.</summary>
    private static bool Fits(Trial trial, int bits, bool signed)
    {
        UInt128 mask = (UInt128.One << bits) - 1;
        ulong* gprs = trial.Pair.Gprs;
        UInt128 dividend = bits == 8 ? gprs[Gpr.Rax] & 0xFFFF : ((gprs[Gpr.Rdx] & mask) << bits) | (gprs[Gpr.Rax] & mask);
        UInt128 divisor = trial.Read(0);
        if (divisor == 0 || !signed)
        {
            return divisor != 0 && dividend / divisor <= mask;
        }

        int unused = 128 - (2 * bits);
        Int128 signedDividend = (Int128)(dividend << unused) >> unused;
        Int128 signedDivisor = Extend((ulong)divisor, bits, signed);
        if (signedDivisor == -1)
        {
            // The most negative number has no counterpart.
            return signedDividend >= -((Int128)mask >> 1) && signedDividend <= (Int128.One << (bits - 1));
        }

        Int128 quotient = signedDividend / signedDivisor;
        return quotient >= -(Int128.One << (bits - 1)) && quotient < Int128.One << (bits - 1);
    }

    private static Int128 Extend(ulong value, int bits, bool signed)
    {
        int unused = 64 - bits;
        return signed ? (long)(value << unused) >> unused : (Int128)(value << unused >> unused);
    }
}
