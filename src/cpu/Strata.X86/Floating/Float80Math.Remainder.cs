namespace Strata.X86.Floating;

/// <content>FPREM and FPREM1. Intel SDM Vol. 2, "FPREM—Partial Remainder" and "FPREM1—Partial Remainder".</content>
public static partial class Float80Math
{
    /// <summary>FPREM: the exact remainder of a ÷ b with a quotient rounded toward zero, or one step towards it.</summary>
    /// <param name="quotient">The three low bits of the quotient: bit 2 goes to C0, bit 1 to C3, bit 0 to C1.</param>
    /// <param name="incomplete">C2: the exponents are 64 or more apart and only some were removed.</param>
    public static Float80 PartialRemainder(Float80 a, Float80 b, out int quotient, out bool incomplete, ref FloatContext c) =>
        Remainder(a, b, false, out quotient, out incomplete, ref c);

    /// <summary>FPREM1: the remainder of IEEE 754, with a quotient rounded to nearest.</summary>
    /// <inheritdoc cref="PartialRemainder"/>
    public static Float80 PartialRemainderIeee(Float80 a, Float80 b, out int quotient, out bool incomplete, ref FloatContext c) =>
        Remainder(a, b, true, out quotient, out incomplete, ref c);

    private static Float80 Remainder(Float80 a, Float80 b, bool nearest, out int quotient, out bool incomplete, ref FloatContext c)
    {
        quotient = 0;
        incomplete = false;
        if (a.IsNaN || b.IsNaN || a.IsUnsupported || b.IsUnsupported)
        {
            return PropagateNaN(a, b, ref c);
        }

        if (a.IsInfinity || b.IsZero)
        {
            return Invalid(ref c);
        }

        if (!AcceptDenormals(a, b, ref c) || a.IsZero)
        {
            return a;
        }

        int exponentA = Unpack(a, out ulong significandA);
        if (b.IsInfinity)
        {
            return RoundAndPack(a.Sign, exponentA, significandA, 0, 64, ref c);
        }

        int exponentB = Unpack(b, out ulong significandB);
        int distance = exponentA - exponentB;
        if (distance >= 64)
        {
            // A step may remove 32 to 63 exponents; the number is the implementation's choice.
            incomplete = true;
            int step = 32 + (distance & 31);
            ulong partial = Modulo(significandA, step, significandB, out _);
            return PackRemainder(a.Sign, exponentB + distance - step, partial, ref c);
        }

        if (distance < 0)
        {
            // Less than one; only the nearest quotient can still be 1, when a is above half of b.
            if (!nearest || distance < -1 || significandA <= significandB)
            {
                return RoundAndPack(a.Sign, exponentA, significandA, 0, 64, ref c);
            }

            quotient = 1;
            return PackRemainder(a.Sign ^ 0x8000, exponentA, (2 * significandB) - significandA, ref c);
        }

        ulong rest = Modulo(significandA, distance, significandB, out ulong whole);
        int sign = a.Sign;
        if (nearest && (rest > significandB - rest || (rest == significandB - rest && (whole & 1) != 0)))
        {
            rest = significandB - rest;
            whole++;
            sign ^= 0x8000;
        }

        quotient = (int)(whole & 7);
        return rest == 0 ? Float80.Zero(a.Sign) : PackRemainder(sign, exponentB, rest, ref c);
    }

    private static ulong Modulo(ulong value, int shift, ulong divisor, out ulong quotient)
    {
        quotient = WideInteger.Divide(shift == 0 ? 0 : value >> (64 - shift), value << shift, divisor, out ulong remainder);
        return remainder;
    }

    private static Float80 PackRemainder(int sign, int exponent, ulong significand, ref FloatContext c) =>
        significand == 0 ? Float80.Zero(sign) : NormalizeAndPack(sign, exponent, significand, 0, 64, ref c);
}
