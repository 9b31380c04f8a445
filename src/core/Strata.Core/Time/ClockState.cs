using Strata.Core.State;

namespace Strata.Core.Time;

/// <summary>What a machine's clock shows.</summary>
public sealed class ClockState : IStateRecord<ClockState>
{
    public static ushort Version => 1;

    /// <summary>Virtual time, in ns.</summary>
    public required long Now { get; set; }

    public static ClockState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new ClockState { Now = reader.Read(nameof(Now), 0, VirtualTime.Latest) };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Now);
    }
}
