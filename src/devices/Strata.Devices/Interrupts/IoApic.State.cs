using Strata.Core.State;

namespace Strata.Devices.Interrupts;

/// <summary>State of the I/O APIC; the registers' names are the data sheet's.</summary>
public sealed class IoApicState : IStateRecord<IoApicState>
{
    public static ushort Version => 1;

    /// <summary>IOREGSEL.</summary>
    public required byte Select { get; set; }

    /// <summary>IOAPICID.</summary>
    public required uint Id { get; set; }

    /// <summary>Levels of the pins.</summary>
    public required uint Lines { get; set; }

    /// <summary>IOREDTBL, an entry a pin.</summary>
    public required ulong[] Entries { get; set; }

    public static IoApicState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        IoApicState state = new()
        {
            Select = reader.Read<byte>(nameof(Select)),
            Id = reader.ReadBits(nameof(Id), IoApic.IdBits),
            Lines = reader.ReadBits(nameof(Lines), (1u << IoApic.PinCount) - 1),
            Entries = reader.ReadExactly<ulong>(nameof(Entries), IoApic.PinCount),
        };
        return Array.TrueForAll(state.Entries, entry => (entry & ~IoApic.EntryBits) == 0)
            ? state
            : throw reader.Refuse(nameof(Entries), "has reserved bits set");
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Select);
        writer.Write(Id);
        writer.Write(Lines);
        writer.WriteArray<ulong>(Entries);
    }
}

public sealed partial class IoApic
{
    internal const uint IdBits = 0x0F00_0000;
    internal const ulong EntryBits = 0xFF00_0000_0000_0000 | 0x1AFFF | RemoteIrr;

    public string UnitName => "ioapic";

    /// <summary>All pins masked. Their levels are what the devices drive.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            Array.Fill(_entries, Masked);
            (_select, _id) = (0, 0);
        }
    }

    public IoApicState SaveState()
    {
        lock (_gate)
        {
            return new IoApicState { Select = (byte)_select, Id = _id, Lines = _lines, Entries = [.. _entries] };
        }
    }

    /// <summary>Sends nothing: what was sent before is in the local APICs.</summary>
    public void LoadState(IoApicState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            (_select, _id, _lines) = (state.Select, state.Id, state.Lines);
            state.Entries.CopyTo(_entries, 0);
        }
    }
}
