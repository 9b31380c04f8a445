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

    /// <summary>
    /// 16-bit code: real mode, virtual-8086 mode, protected mode with CS.D clear. What else it depends on is in
    /// <see cref="Cache.CodeSegment"/>.
    /// </summary>
    Code16,

    /// <summary>32-bit code whose segments are not flat, likewise.</summary>
    Segmented32,
}

/// <summary>Reads the mode of code off the processor's mode.</summary>
internal static unsafe class CodeModes
{
    /// <summary>16-bit targets of branches are within every limit of 16-bit code that is translated.</summary>
    private const uint LeastLimit16 = 0xFFFF;

    /// <summary>CS.D and SS.B set; CS, DS, ES and SS with base 0, limit 4 GiB and all rights, so that no access needs a check.</summary>
    private const ModeBits Flat32 = ModeBits.Code32 | ModeBits.Stack32 | ModeBits.Protected | ModeBits.Flat;

    // SAFETY: the context is the vCPU's, which outlives its engine; only its thread asks.
    public static CodeMode Of(VcpuContext* context)
    {
        ModeBits mode = context->Mode;
        return (mode & ModeBits.Code64) != 0 ? CodeMode.Code64
            : (mode & (Flat32 | ModeBits.Virtual8086)) == Flat32 ? CodeMode.Code32
            : (mode & ModeBits.Code32) != 0 ? CodeMode.Segmented32
            : context->State.Cs.Limit >= LeastLimit16 ? CodeMode.Code16 : CodeMode.None;
    }

    /// <summary>Whether accesses go through segments with a base and a limit.</summary>
    public static bool IsSegmented(this CodeMode mode) => mode >= CodeMode.Code16;
}
