using System.Runtime.CompilerServices;
using Strata.X86.Execution;

namespace Strata.X86.Interpreter.Threaded;

/// <summary>A condition code as a type argument, in the order of the encoding.</summary>
internal interface ICondition
{
    static abstract bool Holds(long result, long aux);
}

internal readonly struct OverflowCondition : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(long result, long aux) => LazyFlags.Overflow(aux);
}

internal readonly struct NotOverflowCondition : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(long result, long aux) => !(LazyFlags.Overflow(aux));
}

internal readonly struct BelowCondition : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(long result, long aux) => LazyFlags.Carry(aux);
}

internal readonly struct AboveOrEqualCondition : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(long result, long aux) => !(LazyFlags.Carry(aux));
}

internal readonly struct ZeroCondition : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(long result, long aux) => result == 0;
}

internal readonly struct NotZeroCondition : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(long result, long aux) => result != 0;
}

internal readonly struct BelowOrEqualCondition : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(long result, long aux) => LazyFlags.Carry(aux) || result == 0;
}

internal readonly struct AboveCondition : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(long result, long aux) => !(LazyFlags.Carry(aux) || result == 0);
}

internal readonly struct SignCondition : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(long result, long aux) => LazyFlags.Sign(result, aux);
}

internal readonly struct NotSignCondition : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(long result, long aux) => !(LazyFlags.Sign(result, aux));
}

internal readonly struct ParityCondition : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(long result, long aux) => LazyFlags.Parity(result, aux);
}

internal readonly struct NotParityCondition : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(long result, long aux) => !(LazyFlags.Parity(result, aux));
}

internal readonly struct LessCondition : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(long result, long aux) => LazyFlags.Less(result, aux);
}

internal readonly struct GreaterOrEqualCondition : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(long result, long aux) => !(LazyFlags.Less(result, aux));
}

internal readonly struct LessOrEqualCondition : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(long result, long aux) => LazyFlags.Less(result, aux) || result == 0;
}

internal readonly struct GreaterCondition : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(long result, long aux) => !(LazyFlags.Less(result, aux) || result == 0);
}
