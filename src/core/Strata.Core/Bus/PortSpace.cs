namespace Strata.Core.Bus;

/// <summary>
/// The 64 Ki I/O ports of a PC. Ports nobody claims read all ones and ignore writes.
/// Ports are claimed while the machine is built, on one thread; look-ups come from any, and take no lock.
/// </summary>
public sealed class PortSpace
{
    private readonly record struct Slot(IPortDevice? Device, ushort Base);

    private readonly Slot[] _slots = new Slot[0x10000];

    /// <summary>Claims <paramref name="count"/> ports from <paramref name="start"/> for a device.</summary>
    /// <exception cref="InvalidOperationException">Another device already owns one of the ports.</exception>
    public void Map(ushort start, int count, IPortDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start + count, 0x10000, nameof(count));
        for (int port = start; port < start + count; port++)
        {
            if (_slots[port].Device is { } owner)
            {
                throw new InvalidOperationException($"Port 0x{port:x} is claimed twice: by {owner.GetType().Name} and {device.GetType().Name}.");
            }
        }

        Array.Fill(_slots, new Slot(device, start), start, count);
    }

    public uint Read(ushort port, AccessWidth width)
    {
        Slot slot = _slots[port];
        uint mask = (uint)width.Mask();
        return slot.Device is { } device ? device.ReadPort((ushort)(port - slot.Base), width) & mask : mask;
    }

    public void Write(ushort port, AccessWidth width, uint value)
    {
        Slot slot = _slots[port];
        slot.Device?.WritePort((ushort)(port - slot.Base), width, value & (uint)width.Mask());
    }
}
