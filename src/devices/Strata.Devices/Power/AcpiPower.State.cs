using Strata.Core.State;

namespace Strata.Devices.Power;

/// <summary>State of the ACPI fixed hardware; the PM timer is the clock's.</summary>
public sealed class AcpiPowerState : IStateRecord<AcpiPowerState>
{
    public static ushort Version => 2;

    /// <summary>PM1_STS.</summary>
    public required ushort Status { get; set; }

    /// <summary>PM1_EN.</summary>
    public required ushort Enable { get; set; }

    /// <summary>PM1_CNT.</summary>
    public required ushort Control { get; set; }

    /// <summary>The guest is suspended to memory. Since version 2.</summary>
    public required bool IsAsleep { get; set; }

    /// <summary>PM1_STS as a guest that has been woken will find it; 0 while nothing has. Since version 2.</summary>
    public required ushort WakeCause { get; set; }

    public static AcpiPowerState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new AcpiPowerState
        {
            Status = reader.ReadBits(nameof(Status), AcpiPower.StatusMask),
            Enable = reader.ReadBits(nameof(Enable), AcpiPower.EnableMask),
            Control = reader.Read<ushort>(nameof(Control)),
            IsAsleep = version >= 2 && reader.ReadBoolean(nameof(IsAsleep)),
            WakeCause = version >= 2 ? reader.ReadBits(nameof(WakeCause), AcpiPower.StatusMask) : (ushort)0,
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Status);
        writer.Write(Enable);
        writer.Write(Control);
        writer.Write(IsAsleep);
        writer.Write(WakeCause);
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
            (_isAsleep, _wakeCause) = (false, 0);
            UpdateSci();
        }
    }

    /// <summary>A guest that was being woken when it was saved goes on waking.</summary>
    public void Resume()
    {
        if (WakeCause != 0)
        {
            _control.RequestWake();
        }
    }

    public AcpiPowerState SaveState()
    {
        lock (_gate)
        {
            return new AcpiPowerState
            {
                Status = _status,
                Enable = _enable,
                Control = _controlValue,
                IsAsleep = _isAsleep,
                WakeCause = _wakeCause,
            };
        }
    }

    public void LoadState(AcpiPowerState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (state.IsAsleep && !CanSleep)
        {
            throw new StateException(
                $"The saved state of {UnitName} is of a guest that is suspended to memory, which needs firmware that wakes it.");
        }

        lock (_gate)
        {
            (_status, _enable, _controlValue) = (state.Status, state.Enable, state.Control);
            (_isAsleep, _wakeCause) = (state.IsAsleep, state.WakeCause);
            _sci.Restore(IsSciDue);
        }
    }
}
