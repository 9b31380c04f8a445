using Strata.X86.Translator.Cache;

namespace Strata.X86.Translator;

/// <summary>What code with segments finds in the bridge.</summary>
public sealed unsafe partial class Translator
{
    // SAFETY: the bridge has as many.
    private void PrepareSegments() => _segments.Ends.CopyTo(new Span<ulong>(_bridge->Ends, 2 * Bridge.SegmentCount));
}
