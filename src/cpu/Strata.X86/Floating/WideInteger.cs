using System.Runtime.CompilerServices;

namespace Strata.X86.Floating;

/// <summary>Integer steps that floating-point algorithms are made of: sticky shifts, 128-by-64 division, 128-bit square root.</summary>
internal static class WideInteger
{
    /// <summary>Shifts right; bits that fall out stick to bit 0, so that later rounding sees that the value was inexact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ShiftRightSticky(ulong value, int count) =>
        count < 64
            ? (value >> count) | ((value & ((1UL << count) - 1)) != 0 ? 1UL : 0)
            : value != 0 ? 1UL : 0;

    /// <summary>The same for a value of 128 bits in two halves.</summary>
    public static void ShiftRightSticky(ref ulong high, ref ulong low, int count)
    {
        if (count == 0)
        {
            return;
        }

        if (count < 64)
        {
            ulong lost = low & ((1UL << count) - 1);
            low = (low >> count) | (high << (64 - count)) | (lost != 0 ? 1UL : 0);
            high >>= count;
        }
        else if (count < 128)
        {
            ulong lost = low | (high & ((1UL << (count - 64)) - 1));
            low = (high >> (count - 64)) | (lost != 0 ? 1UL : 0);
            high = 0;
        }
        else
        {
            low = (high | low) != 0 ? 1UL : 0;
            high = 0;
        }
    }

    /// <summary>
    /// Divides high:low by <paramref name="divisor"/>, which has bit 63 set and is greater than <paramref name="high"/>;
    /// schoolbook division with digits of 32 bits.
    /// </summary>
    public static ulong Divide(ulong high, ulong low, ulong divisor, out ulong remainder)
    {
        ulong upper = divisor >> 32;
        ulong lower = (uint)divisor;
        ulong first = Digit(high, low >> 32, upper, lower, divisor, out ulong middle);
        ulong second = Digit(middle, (uint)low, upper, lower, divisor, out remainder);
        return (first << 32) | second;
    }

    /// <summary>Greatest integer whose square is not above high:low, which is at least 2^126.</summary>
    /// <param name="remainder">What is left above the square; up to 65 bits.</param>
    public static ulong SquareRoot(ulong high, ulong low, out UInt128 remainder)
    {
        // The double estimate is good to 52 bits; one Newton step with an exact residue doubles that.
        double estimate = Math.Sqrt(high) * 4294967296.0;
        ulong root = estimate >= 18446744073709551615.0 ? ulong.MaxValue : (ulong)estimate;
        UInt128 radicand = new(high, low);
        Int128 residue = (Int128)(radicand - Square(root));
        root += (ulong)(long)((double)residue / (2.0 * root));
        residue = (Int128)(radicand - Square(root));
        while (residue < 0)
        {
            root--;
            residue += (2 * (Int128)root) + 1;
        }

        while (residue > 2 * (Int128)root)
        {
            residue -= (2 * (Int128)root) + 1;
            root++;
        }

        remainder = (UInt128)residue;
        return root;
    }

    private static UInt128 Square(ulong value)
    {
        ulong high = Math.BigMul(value, value, out ulong low);
        return new UInt128(high, low);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Digit(ulong high, ulong nextDigit, ulong upper, ulong lower, ulong divisor, out ulong remainder)
    {
        ulong digit = high / upper;
        ulong rest = high - (digit * upper);
        while (digit >> 32 != 0 || digit * lower > ((rest << 32) | nextDigit))
        {
            digit--;
            rest += upper;
            if (rest >> 32 != 0)
            {
                break;
            }
        }

        remainder = ((high << 32) | nextDigit) - (digit * divisor);
        return digit;
    }
}
