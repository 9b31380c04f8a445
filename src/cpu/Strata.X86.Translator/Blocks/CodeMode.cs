using Strata.X86.Execution;

namespace Strata.X86.Translator.Blocks;

/// <summary>In which mode code is decoded and translated; part of a block's key.</summary>
internal enum CodeMode : byte
{
    /// <summary>The mode is the interpreter's.</summary>
    None,

    /// <summary>64-bit mode.</summary>
    Code64,

    /// <summary>
    /// 32-bit code with flat segments: compatibility mode, and protected mode with and without paging. Translated code is the same in
    /// all three.
    /// </summary>
    Code32,
}

/// <summary>Reads the mode of code off the processor's mode.</summary>
internal static class CodeModes
{
    /// <summary>CS.D and SS.B set; CS, DS, ES and SS with base 0, limit 4 GiB and all rights, so that no access needs a check.</summary>
    private const ModeBits Flat32 = ModeBits.Code32 | ModeBits.Stack32 | ModeBits.Protected | ModeBits.Flat;

    public static CodeMode Of(ModeBits mode) =>
        (mode & ModeBits.Code64) != 0 ? CodeMode.Code64
        : (mode & (Flat32 | ModeBits.Virtual8086)) == Flat32 ? CodeMode.Code32
        : CodeMode.None;
}
