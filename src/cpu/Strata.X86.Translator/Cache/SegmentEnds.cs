using Strata.X86.Registers;

namespace Strata.X86.Translator.Cache;

/// <summary>
/// Where a segment ends for those who read and for those who write, one byte behind the last: 0 where they may not at all, or where
/// only the interpreter knows (segments that expand down).
/// </summary>
internal readonly record struct SegmentEnds(ulong Read, ulong Write)
{
    /// <param name="hasRights">Real and virtual-8086 mode look at the limit only.</param>
    public static SegmentEnds Of(in SegmentState segment, bool hasRights)
    {
        const uint expandDown = SegmentState.NonSystem | SegmentState.ConformingOrExpandDown;
        uint attributes = segment.Attributes;
        bool isCode = (attributes & SegmentState.Code) != 0;
        bool expandsDown = (attributes & (expandDown | SegmentState.Code)) == expandDown;
        if (expandsDown || (!hasRights && !segment.IsUsable))
        {
            return default;
        }

        ulong end = segment.Limit + 1UL;
        bool extra = (attributes & SegmentState.ReadableOrWritable) != 0;
        return new SegmentEnds(hasRights || !isCode || extra ? end : 0, hasRights || (!isCode && extra) ? end : 0);
    }
}
