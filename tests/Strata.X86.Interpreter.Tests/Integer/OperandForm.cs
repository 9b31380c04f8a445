namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>What stands where an instruction's ModRM operand leaves a choice.</summary>
public enum OperandForm
{
    /// <summary>Registers only, with and without REX; 8-bit ones are the low bytes.</summary>
    Register,

    /// <summary>8-bit operands are AH, CH, DH or BH.</summary>
    HighByte,

    /// <summary>Register or memory is memory.</summary>
    Memory,

    /// <summary>Memory with a LOCK prefix.</summary>
    Locked,
}
