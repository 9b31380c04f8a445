using Strata.Core.State;

namespace Strata.Devices.Pci;

/// <summary>What a PCI bus remembers itself; its functions are units of their own.</summary>
public sealed class PciBusState : IStateRecord<PciBusState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>The address register at 0xCF8: bit 31, and bits 30 to 2.</summary>
    public required uint Address { get; set; }

    /// <inheritdoc/>
    public static PciBusState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        uint address = reader.Read<uint>(nameof(Address));
        return (address & ~PciBus.AddressMask) == 0
            ? new PciBusState { Address = address }
            : throw reader.Refuse(nameof(Address), $"has bits that the register lacks: 0x{address:x8}");
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Address);
    }
}

/// <content>The bus as a unit of state.</content>
public sealed partial class PciBus : IUnit<PciBusState>
{
    /// <inheritdoc/>
    public string UnitName => "pci";

    /// <summary>
    /// The bus and what is plugged in, in the order in which they are loaded: by slot and number, each function in front of what it is
    /// the transport of.
    /// </summary>
    public IEnumerable<IUnit> Units => Functions.SelectMany(place => place.Function.Units).Prepend(this);

    /// <inheritdoc/>
    public void Reset() => _address = 0;

    /// <inheritdoc/>
    public PciBusState SaveState() => new() { Address = _address };

    /// <inheritdoc/>
    public void LoadState(PciBusState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        _address = state.Address;
    }
}
