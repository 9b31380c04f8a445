namespace Strata.X86.Interpreter.Instructions;

/// <summary>
/// A SIMD operation as a type argument of <see cref="Simd.Run{TOperation}"/>, over as many bytes as the register has, so that one routine
/// serves MMX and SSE.
/// </summary>
internal unsafe interface ISpanOperation
{
    /// <param name="r">Receives the result.</param>
    /// <param name="a">The destination before the instruction.</param>
    /// <param name="b">The source.</param>
    /// <param name="n">Bytes of each: 8 (MMX) or 16.</param>
    /// <param name="immediate">The instruction's imm8.</param>
    static abstract void Apply(byte* r, byte* a, byte* b, int n, int immediate);
}
