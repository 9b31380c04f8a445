namespace Strata.X86.Floating;

/// <content>Comparison, minimum and maximum. Intel SDM Vol. 2, "CMPSD", "COMISD", "MINSD", "MAXSD".</content>
internal static partial class BinaryArithmetic<TFormat>
{
    /// <param name="signaling">A quiet NaN is an invalid operand too.</param>
    public static FloatRelation Compare(ulong a, ulong b, bool signaling, ref FloatContext c)
    {
        if (IsNaN(a) || IsNaN(b))
        {
            if (signaling || IsSignalingNaN(a) || IsSignalingNaN(b))
            {
                c.Raised |= FloatExceptions.Invalid;
            }

            return FloatRelation.Unordered;
        }

        a = FlushOperand(a, ref c);
        b = FlushOperand(b, ref c);
        AcceptDenormals(a, b, ref c);
        return Order(a, b);
    }

    /// <summary>The second operand wins when the operands are zeros or one is a NaN; every NaN is invalid.</summary>
    public static ulong Minimum(ulong a, ulong b, ref FloatContext c) => Select(a, b, FloatRelation.Less, ref c);

    /// <inheritdoc cref="Minimum"/>
    public static ulong Maximum(ulong a, ulong b, ref FloatContext c) => Select(a, b, FloatRelation.Greater, ref c);

    private static ulong Select(ulong a, ulong b, FloatRelation wanted, ref FloatContext c)
    {
        // Denormals-are-zeros acts upon a second operand that is passed through, too.
        a = FlushOperand(a, ref c);
        b = FlushOperand(b, ref c);
        if (IsNaN(a) || IsNaN(b))
        {
            c.Raised |= FloatExceptions.Invalid;
            return b;
        }

        AcceptDenormals(a, b, ref c);
        return Order(a, b) == wanted ? a : b;
    }

    private static FloatRelation Order(ulong a, ulong b)
    {
        // Sign-magnitude to two's complement; both zeros become 0.
        long x = (a & SignBit) != 0 ? -(long)(a & ~SignBit) : (long)a;
        long y = (b & SignBit) != 0 ? -(long)(b & ~SignBit) : (long)b;
        return (FloatRelation)x.CompareTo(y);
    }
}
