using System.Runtime.InteropServices;
using Strata.X86.Floating;

namespace Strata.X86.Interpreter.Vex;

/// <summary>
/// What a kernel of <see cref="VexTable"/> works on: copies of the sources in the order of the encoding, and room for the result. On the
/// stack of whoever executes the instruction.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct VexOperands
{
    public const int RegisterSize = 32;

    /// <summary>The result: zeros before the kernel runs.</summary>
    public fixed byte R[RegisterSize];

    /// <summary>The destination before the instruction.</summary>
    public fixed byte D[RegisterSize];

    /// <summary>The sources. Memory is as wide as the encoding says, and zeros behind; so are general registers.</summary>
    public fixed byte A[RegisterSize];
    public fixed byte B[RegisterSize];
    public fixed byte C[RegisterSize];

    /// <summary>Bytes of the vectors: 16 or 32.</summary>
    public int Length;

    /// <summary>How many of the sources there are.</summary>
    public int Count;

    /// <summary>The imm8.</summary>
    public int Immediate;

    /// <summary>VEX.W: a general register has 64 bits.</summary>
    public bool IsWide;

    /// <summary>The last source is memory.</summary>
    public bool IsFromMemory;

    /// <summary>Controls, and what the kernel raises.</summary>
    public FloatContext Float;

    /// <summary>Arithmetic flags, of kernels that have them for a result.</summary>
    public ulong Flags;
}
