namespace Strata.X86.Interpreter.Vex;

/// <summary>What is special about a line of <see cref="VexTable"/>.</summary>
[Flags]
internal enum VexTraits : byte
{
    None = 0,

    /// <summary>A memory operand off its size is #GP.</summary>
    Aligned = 1,

    /// <summary>All operands are sources; the result is in flags.</summary>
    Compares = 2,
}

/// <summary>How one encoding is executed. Immutable.</summary>
/// <param name="Kernel">A <c>delegate*&lt;VexOperands*, void&gt;</c>; zero for an encoding that this processor does not have.</param>
/// <param name="Length">Bytes of its vectors: 16 or 32.</param>
/// <param name="IsWide">VEX.W.</param>
internal sealed record VexForm(nint Kernel, int Length, bool IsWide, VexTraits Traits);
