namespace Strata.X86.Floating;

/// <summary>Parameters of an IEEE 754 binary interchange format of at most 64 bits; compile-time constants after specialisation.</summary>
internal interface IBinaryFormat
{
    /// <summary>Stored bits of the significand, without the hidden bit.</summary>
    static abstract int FractionBits { get; }

    /// <summary>Width of the biased exponent.</summary>
    static abstract int ExponentBits { get; }
}

/// <summary>IEEE 754 binary32.</summary>
internal readonly struct Binary32 : IBinaryFormat
{
    public static int FractionBits => 23;

    public static int ExponentBits => 8;
}

/// <summary>IEEE 754 binary64.</summary>
internal readonly struct Binary64 : IBinaryFormat
{
    public static int FractionBits => 52;

    public static int ExponentBits => 11;
}

/// <summary>IEEE 754 binary16.</summary>
internal readonly struct Binary16 : IBinaryFormat
{
    public static int FractionBits => 10;

    public static int ExponentBits => 5;
}
