using Strata.Core.State;

namespace Strata.Devices.Power;

/// <summary>State of the general-purpose events.</summary>
public sealed class GeneralPurposeEventsState : IStateRecord<GeneralPurposeEventsState>
{
    public static ushort Version => 1;

    /// <summary>GPE0_STS.</summary>
    public required ushort Status { get; set; }

    /// <summary>GPE0_EN.</summary>
    public required ushort Enable { get; set; }

    public static GeneralPurposeEventsState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new GeneralPurposeEventsState
        {
            Status = reader.Read<ushort>(nameof(Status)),
            Enable = reader.Read<ushort>(nameof(Enable)),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Status);
        writer.Write(Enable);
    }
}

public sealed partial class GeneralPurposeEvents
{
    public string UnitName => "acpi-events";

    /// <summary>A guest whose ACPI tables do not name the block enables nothing in it, and hears of nothing.</summary>
    public bool MayBeAbsent => true;

    public void Reset()
    {
        lock (_gate)
        {
            (_status, _enable) = (0, 0);
            sci.Set(false);
        }
    }

    public GeneralPurposeEventsState SaveState()
    {
        lock (_gate)
        {
            return new GeneralPurposeEventsState { Status = _status, Enable = _enable };
        }
    }

    public void LoadState(GeneralPurposeEventsState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            (_status, _enable) = (state.Status, state.Enable);
            sci.Restore(IsSciDue);
        }
    }
}
