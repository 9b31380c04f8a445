namespace Strata.X86.Floating;

/// <summary>
/// A value in the double extended-precision format: explicit integer bit in bit 63 of <see cref="Significand"/>, sign in bit 15
/// and biased exponent (bias 16383) in bits 0..14 of <see cref="SignExponent"/>.
/// Intel SDM Vol. 1, "Real Numbers and Floating-Point Formats" and "Unsupported Double Extended-Precision Floating-Point Encodings".
/// </summary>
public readonly record struct Float80(ulong Significand, ushort SignExponent)
{
    public const int Bias = 16383;

    public const int MaxExponent = 0x7FFF;

    public const ulong IntegerBit = 1UL << 63;

    public const ulong QuietBit = 1UL << 62;

    /// <summary>The "QNaN floating-point indefinite": what invalid operations deliver.</summary>
    public static Float80 DefaultNaN => new(IntegerBit | QuietBit, 0xFFFF);

    public static Float80 PositiveZero => default;

    public static Float80 One => new(IntegerBit, Bias);

    /// <summary>Zero or 0x8000.</summary>
    public int Sign => SignExponent & 0x8000;

    public bool IsNegative => (SignExponent & 0x8000) != 0;

    /// <summary>Biased exponent.</summary>
    public int Exponent => SignExponent & 0x7FFF;

    public bool IsZero => Exponent == 0 && Significand == 0;

    public bool IsInfinity => Exponent == MaxExponent && Significand == IntegerBit;

    /// <summary>A NaN with its integer bit set; pseudo-NaNs are <see cref="IsUnsupported"/>.</summary>
    public bool IsNaN => Exponent == MaxExponent && Significand > IntegerBit;

    public bool IsSignalingNaN => Exponent == MaxExponent && Significand > IntegerBit && (Significand & QuietBit) == 0;

    /// <summary>Denormals and pseudo-denormals.</summary>
    public bool IsDenormal => Exponent == 0 && Significand != 0;

    /// <summary>Pseudo-NaN, pseudo-infinity or unnormal: the integer bit is clear under a non-zero exponent.</summary>
    public bool IsUnsupported => Exponent != 0 && (Significand & IntegerBit) == 0;

    /// <summary>Neither zero, denormal, infinite, NaN nor unsupported.</summary>
    public bool IsNormal => (uint)(Exponent - 1) < MaxExponent - 1 && (long)Significand < 0;

    public Float80 Negate() => new(Significand, (ushort)(SignExponent ^ 0x8000));

    public Float80 Abs() => new(Significand, (ushort)(SignExponent & 0x7FFF));

    internal static Float80 Zero(int sign) => new(0, (ushort)sign);

    internal static Float80 Infinity(int sign) => new(IntegerBit, (ushort)(sign | MaxExponent));
}
