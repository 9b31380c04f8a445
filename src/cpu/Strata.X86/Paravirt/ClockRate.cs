namespace Strata.X86.Paravirt;

/// <summary>
/// TSC ticks to nanoseconds as a guest computes it from the clock's record: shift the ticks left (or right, if negative), multiply by
/// the fraction <see cref="Multiplier"/> / 2^32.
/// </summary>
/// <param name="Multiplier">At least 2^31: as exact as 32 bits allow.</param>
/// <param name="Shift">Bits.</param>
public readonly record struct ClockRate(uint Multiplier, sbyte Shift)
{
    private const ulong NanosecondsPerSecond = 1_000_000_000;

    /// <param name="frequency">Hz; not zero.</param>
    public static ClockRate Of(ulong frequency)
    {
        ArgumentOutOfRangeException.ThrowIfZero(frequency);

        // nanoseconds / tick = quotient / 2^64, with 2^31 <= multiplier < 2^32 after a shift.
        UInt128 quotient = ((UInt128)NanosecondsPerSecond << 64) / frequency;
        int bits = 128 - (int)UInt128.LeadingZeroCount(quotient);
        UInt128 multiplier = bits > 32 ? ((quotient >> (bits - 33)) + 1) >> 1 : quotient << (32 - bits);
        return multiplier >> 32 == 0
            ? new ClockRate((uint)multiplier, (sbyte)(bits - 64))
            : new ClockRate(1u << 31, (sbyte)(bits - 63)); // rounding carried into the next power of two
    }

    /// <summary>What a guest computes.</summary>
    public ulong ToNanoseconds(ulong ticks) =>
        (ulong)((UInt128)(Shift < 0 ? ticks >> -Shift : ticks << Shift) * Multiplier >> 32);
}
