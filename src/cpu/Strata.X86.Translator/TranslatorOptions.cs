using Strata.X86.Translator.Tracing;

namespace Strata.X86.Translator;

/// <summary>How a translator works; shared by the vCPUs of a machine.</summary>
public sealed record TranslatorOptions
{
    /// <summary>Keep arithmetic flags at every block boundary even where nobody reads them: to compare states with another engine.</summary>
    public bool ExactFlags { get; init; }

    /// <summary>Receives every translated block; null for none.</summary>
    public TranslationTrace? Trace { get; init; }

    /// <summary>Names translated blocks for perf; null for none.</summary>
    public PerfMap? PerfMap { get; init; }
}
