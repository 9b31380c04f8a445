namespace Strata.Core.Bus;

/// <summary>
/// The 64 Ki I/O ports of a PC. Ports nobody claims read all ones and ignore writes.
/// Ports are claimed while the machine is built, and where a guest moves a device; look-ups come from any thread, and take no lock.
/// </summary>
public sealed class PortSpace
{
    private readonly Lock _gate = new();
    private readonly Slot?[] _slots = new Slot?[0x10000]; // changed under _gate, an element at a time

    /// <summary>Claims <paramref name="count"/> ports from <paramref name="start"/> for a device.</summary>
    /// <exception cref="InvalidOperationException">Another device already owns one of the ports.</exception>
    public void Map(ushort start, int count, IPortDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start + count, 0x10000, nameof(count));
        lock (_gate)
        {
            if (FindOwner(start, count) is { } owner)
            {
                throw new InvalidOperationException(
                    $"A port of 0x{start:x}+{count} is claimed twice: by {owner.GetType().Name} and {device.GetType().Name}.");
            }

            Array.Fill(_slots, new Slot(device, start), start, count);
        }
    }

    /// <summary>Claims ports where a guest asks for them.</summary>
    /// <returns>False, and nothing is claimed, if another device owns one of them or the range does not end within the ports.</returns>
    public bool TryMap(uint start, int count, IPortDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        lock (_gate)
        {
            if (start > 0x10000 - (uint)count || FindOwner((ushort)start, count) is not null)
            {
                return false;
            }

            Array.Fill(_slots, new Slot(device, (ushort)start), (int)start, count);
            return true;
        }
    }

    /// <summary>Gives up the ports of a range that a device has; those of others stay.</summary>
    public void Unmap(ushort start, int count, IPortDevice device)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start + count, 0x10000, nameof(count));
        lock (_gate)
        {
            for (int port = start; port < start + count; port++)
            {
                if (ReferenceEquals(_slots[port]?.Device, device))
                {
                    _slots[port] = null;
                }
            }
        }
    }

    public uint Read(ushort port, AccessWidth width)
    {
        uint mask = (uint)width.Mask();
        return _slots[port] is { } slot ? slot.Device.ReadPort((ushort)(port - slot.Base), width) & mask : mask;
    }

    public void Write(ushort port, AccessWidth width, uint value)
    {
        if (_slots[port] is { } slot)
        {
            slot.Device.WritePort((ushort)(port - slot.Base), width, value & (uint)width.Mask());
        }
    }

    /// <summary>Under <see cref="_gate"/>.</summary>
    private IPortDevice? FindOwner(int start, int count)
    {
        foreach (Slot? slot in _slots.AsSpan(start, count))
        {
            if (slot is not null)
            {
                return slot.Device;
            }
        }

        return null;
    }

    private sealed record Slot(IPortDevice Device, ushort Base);
}
