using System.Runtime.CompilerServices;
using Strata.X86.Execution;

namespace Strata.X86.Interpreter.Threaded;

/// <summary>
/// A two-operand arithmetic or logic operation as a type argument. Values are zero-extended; results may carry garbage above the width.
/// </summary>
internal interface IAluOperation
{
    /// <summary>False for CMP and TEST.</summary>
    static abstract bool Writes { get; }

    /// <param name="aux">The incoming flags, for the carry.</param>
    static abstract ulong Apply(ulong a, ulong b, long aux);

    static abstract long Aux(ulong a, ulong b, ulong r, int bits);
}

internal readonly struct AddOperation : IAluOperation
{
    public static bool Writes => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(ulong a, ulong b, long aux) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Aux(ulong a, ulong b, ulong r, int bits) => LazyFlags.Add(a, b, r, bits);
}

internal readonly struct AdcOperation : IAluOperation
{
    public static bool Writes => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(ulong a, ulong b, long aux) => a + b + ((ulong)aux >> 63);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Aux(ulong a, ulong b, ulong r, int bits) => LazyFlags.Add(a, b, r, bits);
}

internal readonly struct SubOperation : IAluOperation
{
    public static bool Writes => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(ulong a, ulong b, long aux) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Aux(ulong a, ulong b, ulong r, int bits) => LazyFlags.Sub(a, b, r, bits);
}

internal readonly struct SbbOperation : IAluOperation
{
    public static bool Writes => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(ulong a, ulong b, long aux) => a - b - ((ulong)aux >> 63);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Aux(ulong a, ulong b, ulong r, int bits) => LazyFlags.Sub(a, b, r, bits);
}

internal readonly struct CmpOperation : IAluOperation
{
    public static bool Writes => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(ulong a, ulong b, long aux) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Aux(ulong a, ulong b, ulong r, int bits) => LazyFlags.Sub(a, b, r, bits);
}

internal readonly struct AndOperation : IAluOperation
{
    public static bool Writes => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(ulong a, ulong b, long aux) => a & b;

    public static long Aux(ulong a, ulong b, ulong r, int bits) => 0;
}

internal readonly struct TestOperation : IAluOperation
{
    public static bool Writes => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(ulong a, ulong b, long aux) => a & b;

    public static long Aux(ulong a, ulong b, ulong r, int bits) => 0;
}

internal readonly struct OrOperation : IAluOperation
{
    public static bool Writes => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(ulong a, ulong b, long aux) => a | b;

    public static long Aux(ulong a, ulong b, ulong r, int bits) => 0;
}

internal readonly struct XorOperation : IAluOperation
{
    public static bool Writes => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(ulong a, ulong b, long aux) => a ^ b;

    public static long Aux(ulong a, ulong b, ulong r, int bits) => 0;
}
