using Strata.Core.State;

namespace Strata.Devices.Chipset;

/// <summary>State of the A20 gate and of the port that switches it.</summary>
public sealed class A20GateState : IStateRecord<A20GateState>
{
    public static ushort Version => 1;

    /// <summary>Address line 20 gets through.</summary>
    public required bool IsEnabled { get; set; }

    /// <summary>System control port A.</summary>
    public required byte ControlPort { get; set; }

    public static A20GateState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new A20GateState
        {
            IsEnabled = reader.ReadBoolean(nameof(IsEnabled)),
            ControlPort = reader.Read<byte>(nameof(ControlPort)),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(IsEnabled);
        writer.Write(ControlPort);
    }
}
