using Strata.Core.State;
using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>A segment register with its hidden part, as it is saved.</summary>
public sealed class SegmentRecord : IStateRecord<SegmentRecord>
{
    public static ushort Version => 1;

    public required ushort Selector { get; set; }

    public required ulong Base { get; set; }

    /// <summary>In bytes, inclusive.</summary>
    public required uint Limit { get; set; }

    /// <summary>As in <see cref="SegmentState.Attributes"/>.</summary>
    public required uint Attributes { get; set; }

    public static SegmentRecord Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new SegmentRecord
        {
            Selector = reader.Read<ushort>(nameof(Selector)),
            Base = reader.Read<ulong>(nameof(Base)),
            Limit = reader.Read<uint>(nameof(Limit)),
            Attributes = reader.ReadBits(nameof(Attributes), SegmentState.AllAttributes),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Selector);
        writer.Write(Base);
        writer.Write(Limit);
        writer.Write(Attributes);
    }

    internal static SegmentRecord Of(in SegmentState segment) => new()
    {
        Selector = segment.Selector,
        Base = segment.Base,
        Limit = segment.Limit,
        Attributes = segment.Attributes,
    };

    internal SegmentState ToSegment() => new() { Selector = Selector, Base = Base, Limit = Limit, Attributes = Attributes };
}
