namespace Strata.X86.Translator.Cache;

/// <summary>Forms of page tables that translated code walks. Intel SDM Vol. 3A, "Paging Modes and Control Bits".</summary>
internal enum WalkForm : uint
{
    /// <summary>Four levels, of 64-bit mode and compatibility mode.</summary>
    FourLevel,

    /// <summary>Four pointers in registers and two levels.</summary>
    Pae,

    /// <summary>Two levels with entries of four bytes, with pages of 4 MiB where CR4.PSE says so.</summary>
    Legacy,
}
