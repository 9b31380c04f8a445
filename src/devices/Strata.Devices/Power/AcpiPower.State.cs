using Strata.Core.State;

namespace Strata.Devices.Power;

/// <summary>State of the ACPI fixed hardware; the PM timer is the clock's.</summary>
public sealed class AcpiPowerState : IStateRecord<AcpiPowerState>
{
    public static ushort Version => 1;

    /// <summary>PM1_STS.</summary>
    public required ushort Status { get; set; }

    /// <summary>PM1_EN.</summary>
    public required ushort Enable { get; set; }

    /// <summary>PM1_CNT.</summary>
    public required ushort Control { get; set; }

    public static AcpiPowerState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new AcpiPowerState
        {
            Status = reader.ReadBits(nameof(Status), AcpiPower.StatusMask),
            Enable = reader.ReadBits(nameof(Enable), AcpiPower.EnableMask),
            Control = reader.Read<ushort>(nameof(Control)),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Status);
        writer.Write(Enable);
        writer.Write(Control);
    }
}

public sealed partial class AcpiPower
{
    public string UnitName => "acpi-power";

    public void Reset()
    {
        lock (_gate)
        {
            (_status, _enable, _controlValue) = (0, 0, SciEnable);
            UpdateSci();
        }
    }

    public AcpiPowerState SaveState()
    {
        lock (_gate)
        {
            return new AcpiPowerState { Status = _status, Enable = _enable, Control = _controlValue };
        }
    }

    public void LoadState(AcpiPowerState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            (_status, _enable, _controlValue) = (state.Status, state.Enable, state.Control);
            _sci.Restore(IsSciDue);
        }
    }
}
