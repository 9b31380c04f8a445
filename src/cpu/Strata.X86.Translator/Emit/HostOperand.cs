namespace Strata.X86.Translator.Emit;

/// <summary>A host memory operand: base + index + displacement. An index of −1 is none.</summary>
internal readonly record struct HostOperand(int Base, int Index, int Displacement)
{
    public HostOperand(int @base)
        : this(@base, HostRegister.None, 0)
    {
    }

    /// <summary>REX.X and REX.B.</summary>
    public int Rex => (Index >= 0 ? (Index >> 3) << 1 : 0) | (Base >> 3);
}
