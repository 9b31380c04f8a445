using Strata.Core.State;

namespace Strata.Core.Time;

/// <summary>How a machine's wall time follows from its virtual time.</summary>
public sealed class WallClockState : IStateRecord<WallClockState>
{
    public static ushort Version => 1;

    /// <summary>Wall time at virtual time zero, UTC, in units of 100 ns since the year 1.</summary>
    public required long Origin { get; set; }

    public static WallClockState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new WallClockState { Origin = reader.Read(nameof(Origin), 0, DateTime.MaxValue.Ticks) };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Origin);
    }
}
