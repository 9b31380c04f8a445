using Strata.X86.Translator.Keeping;
using Strata.X86.Translator.Tracing;

namespace Strata.X86.Translator;

/// <summary>How a translator works; shared by the vCPUs of a machine.</summary>
public sealed record TranslatorOptions
{
    /// <summary>
    /// Keep arithmetic flags at every block boundary even where nobody reads them: to compare states with another engine.
    /// </summary>
    public bool ExactFlags { get; init; }

    /// <summary>
    /// Count guest instructions in translated code, so that <c>Run</c> executes exactly its budget: for deterministic time and for
    /// comparing engines. Costs a memory operation a block.
    /// </summary>
    public bool CountInstructions { get; init; }

    /// <summary>
    /// The machine has no other vCPU, so that a user program's locked instructions need no lock: nothing else that reads and modifies
    /// memory runs beside it. Kernel code keeps its locks, which also order its accesses with those of devices.
    /// </summary>
    public bool IsOnlyProcessor { get; init; }

    /// <summary>
    /// Translate all 64-bit code as code of a page that is mapped at several addresses is translated: to compare states with another
    /// engine.
    /// </summary>
    public bool AlwaysRelative { get; init; }

    /// <summary>Code of an earlier run, which is taken over where the guest's bytes are the same; null for none.</summary>
    public KeptPages? Kept { get; init; }

    /// <summary>Receives every translated block; null for none.</summary>
    public TranslationTrace? Trace { get; init; }

    /// <summary>Names translated blocks for perf; null for none.</summary>
    public PerfMap? PerfMap { get; init; }
}
