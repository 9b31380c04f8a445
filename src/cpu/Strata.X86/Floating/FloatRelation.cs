namespace Strata.X86.Floating;

/// <summary>Outcome of a comparison of the first operand with the second.</summary>
public enum FloatRelation
{
    Less = -1,
    Equal = 0,
    Greater = 1,

    /// <summary>At least one operand is a NaN.</summary>
    Unordered = 2,
}
