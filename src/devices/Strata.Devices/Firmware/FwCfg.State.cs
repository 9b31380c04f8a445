using Strata.Core.State;

namespace Strata.Devices.Firmware;

/// <summary>Where the guest is in the firmware configuration; the items are the board's.</summary>
public sealed class FwCfgState : IStateRecord<FwCfgState>
{
    public static ushort Version => 1;

    /// <summary>Key of the selected item.</summary>
    public required ushort Selector { get; set; }

    /// <summary>Bytes of it that have been read or skipped.</summary>
    public required uint Offset { get; set; }

    /// <summary>High half of the DMA address, as long as the low half has not been written.</summary>
    public required uint DmaHigh { get; set; }

    public static FwCfgState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new FwCfgState
        {
            Selector = reader.Read<ushort>(nameof(Selector)),
            Offset = reader.Read<uint>(nameof(Offset), 0, int.MaxValue),
            DmaHigh = reader.Read<uint>(nameof(DmaHigh)),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Selector);
        writer.Write(Offset);
        writer.Write(DmaHigh);
    }
}
