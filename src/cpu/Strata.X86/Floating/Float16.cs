namespace Strata.X86.Floating;

/// <summary>
/// Conversion of binary16 with the rules of F16C, which knows neither denormals-are-zeros nor flush-to-zero for the short format.
/// Intel SDM Vol. 1, "Half-Precision Floating-Point Conversion".
/// </summary>
public static class Float16
{
    /// <summary>Exact; a signaling NaN is invalid and made quiet. Denormals raise nothing.</summary>
    public static uint ToFloat32(ushort a, ref FloatContext c)
    {
        FloatContext exact = c;
        exact.Masks |= FloatExceptions.Denormal;
        exact.DenormalsAreZeros = false;
        exact.Raised = FloatExceptions.None;
        ulong result = FormatConversion<Binary16, Binary32>.Convert(a, ref exact);
        c.Raised |= exact.Raised & FloatExceptions.Invalid;
        return (uint)result;
    }

    /// <param name="mode">Bits 0 and 1 of the immediate, or MXCSR's where bit 2 is set.</param>
    public static ushort FromFloat32(uint a, RoundingMode mode, ref FloatContext c)
    {
        FloatContext own = c;
        own.Rounding = mode;
        own.FlushToZero = false;
        ulong result = FormatConversion<Binary32, Binary16>.Convert(a, ref own);
        c.Raised = own.Raised;
        return (ushort)result;
    }
}
