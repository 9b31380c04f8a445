using Strata.Core.State;

namespace Strata.Devices.Power;

/// <summary>State of the reset control register.</summary>
public sealed class ResetControlState : IStateRecord<ResetControlState>
{
    public static ushort Version => 1;

    public required byte Value { get; set; }

    public static ResetControlState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new ResetControlState { Value = reader.ReadBits(nameof(Value), ResetControl.WritableBits) };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Value);
    }
}
