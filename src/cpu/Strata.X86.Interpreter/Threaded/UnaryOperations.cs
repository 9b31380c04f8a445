using System.Runtime.CompilerServices;
using Strata.X86.Execution;

namespace Strata.X86.Interpreter.Threaded;

/// <summary>A one-operand operation (or a shift by a constant) as a type argument.</summary>
internal interface IUnaryOperation
{
    /// <summary>False for NOT, which leaves the flags alone.</summary>
    static abstract bool SetsFlags { get; }

    /// <param name="immediate">Shift count, already masked and not zero; unused by the others.</param>
    static abstract ulong Apply(ulong a, int immediate, int bits);

    /// <param name="aux">The incoming flags: INC and DEC keep the carry.</param>
    static abstract long Aux(ulong a, ulong r, int immediate, int bits, long aux);
}

internal readonly struct IncOperation : IUnaryOperation
{
    public static bool SetsFlags => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(ulong a, int immediate, int bits) => a + 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Aux(ulong a, ulong r, int immediate, int bits, long aux) =>
        LazyFlags.WithCarry(LazyFlags.Add(a, 1, r, bits), LazyFlags.Carry(aux));
}

internal readonly struct DecOperation : IUnaryOperation
{
    public static bool SetsFlags => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(ulong a, int immediate, int bits) => a - 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Aux(ulong a, ulong r, int immediate, int bits, long aux) =>
        LazyFlags.WithCarry(LazyFlags.Sub(a, 1, r, bits), LazyFlags.Carry(aux));
}

internal readonly struct NegOperation : IUnaryOperation
{
    public static bool SetsFlags => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(ulong a, int immediate, int bits) => 0 - a;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Aux(ulong a, ulong r, int immediate, int bits, long aux) => LazyFlags.Sub(0, a, r, bits);
}

internal readonly struct NotOperation : IUnaryOperation
{
    public static bool SetsFlags => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(ulong a, int immediate, int bits) => ~a;

    public static long Aux(ulong a, ulong r, int immediate, int bits, long aux) => aux;
}

/// <summary>
/// SHL by a constant 1..bits-1. OF is defined for a count of 1 only; silicon computes CF ^ top bit for all, and so do we.
/// </summary>
internal readonly struct ShlOperation : IUnaryOperation
{
    public static bool SetsFlags => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(ulong a, int immediate, int bits) => a << immediate;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Aux(ulong a, ulong r, int immediate, int bits, long aux)
    {
        // CF is the last bit shifted out, CI the new top bit.
        ulong out63 = a << (64 - bits + immediate - 1);
        return (long)(out63 & 0xC000_0000_0000_0000);
    }
}

/// <summary>SHR by a constant 1..bits-1.</summary>
internal readonly struct ShrOperation : IUnaryOperation
{
    public static bool SetsFlags => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(ulong a, int immediate, int bits) => a >> immediate;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Aux(ulong a, ulong r, int immediate, int bits, long aux)
    {
        ulong carry = (a >> (immediate - 1)) & 1;

        // OF = top bit of result ^ the bit below it: for a count of 1 that is the old top bit.
        ulong overflow = ((r >> (bits - 1)) ^ (r >> (bits - 2))) & 1;
        return (long)((carry << 63) | ((carry ^ overflow) << 62));
    }
}

/// <summary>SAR by a constant 1..bits-1.</summary>
internal readonly struct SarOperation : IUnaryOperation
{
    public static bool SetsFlags => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(ulong a, int immediate, int bits) => (ulong)((long)(a << (64 - bits)) >> (64 - bits) >> immediate);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Aux(ulong a, ulong r, int immediate, int bits, long aux)
    {
        ulong carry = (ulong)((long)(a << (64 - bits)) >> (64 - bits) >> (immediate - 1)) & 1;
        return (long)((carry << 63) | (carry << 62));
    }
}
