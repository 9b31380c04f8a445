namespace Strata.X86.Floating;

/// <summary>Rounding control as encoded in MXCSR.RC, FCW.RC and the immediate of ROUNDSD. Intel SDM Vol. 1, "Rounding".</summary>
public enum RoundingMode : byte
{
    NearestEven = 0,
    Down = 1,
    Up = 2,
    TowardZero = 3,
}
