using Strata.X86.Floating;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>An operation on two floats as a type argument.</summary>
internal interface IFloatOperation
{
    static abstract uint Apply(uint a, uint b, ref FloatContext c);

    static abstract ulong Apply(ulong a, ulong b, ref FloatContext c);
}

internal readonly struct FloatAdd : IFloatOperation
{
    public static uint Apply(uint a, uint b, ref FloatContext c) => Float32.Add(a, b, ref c);

    public static ulong Apply(ulong a, ulong b, ref FloatContext c) => Float64.Add(a, b, ref c);
}

internal readonly struct FloatSubtract : IFloatOperation
{
    public static uint Apply(uint a, uint b, ref FloatContext c) => Float32.Sub(a, b, ref c);

    public static ulong Apply(ulong a, ulong b, ref FloatContext c) => Float64.Sub(a, b, ref c);
}

internal readonly struct FloatMultiply : IFloatOperation
{
    public static uint Apply(uint a, uint b, ref FloatContext c) => Float32.Mul(a, b, ref c);

    public static ulong Apply(ulong a, ulong b, ref FloatContext c) => Float64.Mul(a, b, ref c);
}

internal readonly struct FloatDivide : IFloatOperation
{
    public static uint Apply(uint a, uint b, ref FloatContext c) => Float32.Div(a, b, ref c);

    public static ulong Apply(ulong a, ulong b, ref FloatContext c) => Float64.Div(a, b, ref c);
}

internal readonly struct FloatSquareRoot : IFloatOperation
{
    public static uint Apply(uint a, uint b, ref FloatContext c) => Float32.Sqrt(b, ref c);

    public static ulong Apply(ulong a, ulong b, ref FloatContext c) => Float64.Sqrt(b, ref c);
}

internal readonly struct FloatMinimum : IFloatOperation
{
    public static uint Apply(uint a, uint b, ref FloatContext c) => Float32.Min(a, b, ref c);

    public static ulong Apply(ulong a, ulong b, ref FloatContext c) => Float64.Min(a, b, ref c);
}

internal readonly struct FloatMaximum : IFloatOperation
{
    public static uint Apply(uint a, uint b, ref FloatContext c) => Float32.Max(a, b, ref c);

    public static ulong Apply(ulong a, ulong b, ref FloatContext c) => Float64.Max(a, b, ref c);
}
