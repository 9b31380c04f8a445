using Strata.Core.Memory;

namespace Strata.Core.Bus;

/// <summary>
/// The guest-physical address space: RAM and ROM ranges, and memory-mapped device regions.
/// RAM ranges are fixed once the machine is built; device regions may move (PCI BARs), so they live in an immutable array
/// that is replaced whole under <see cref="_gate"/> and read without a lock.
/// </summary>
public sealed unsafe class AddressSpace
{
    private readonly record struct RamRange(ulong Start, ulong End, GuestMemory Memory, ulong Offset, bool ReadOnly);

    private readonly record struct DeviceRange(ulong Start, ulong End, IMmioDevice Device);

    private readonly Lock _gate = new();
    private RamRange[] _ram = [];
    private volatile DeviceRange[] _devices = [];

    /// <summary>Makes <paramref name="length"/> bytes of memory visible at <paramref name="gpa"/>. All three are multiples of 4 KiB.</summary>
    public void MapRam(ulong gpa, GuestMemory memory, ulong offset, ulong length, bool readOnly = false)
    {
        ArgumentNullException.ThrowIfNull(memory);
        if (((gpa | offset | length) & GuestMemory.PageMask) != 0 || length == 0 || offset > memory.Size
            || length > memory.Size - offset || gpa + length < gpa)
        {
            throw new ArgumentException($"RAM range 0x{gpa:x}+0x{length:x} is not page aligned or lies outside the memory.");
        }

        lock (_gate)
        {
            foreach (RamRange other in _ram)
            {
                if (gpa < other.End && other.Start < gpa + length)
                {
                    throw new InvalidOperationException($"RAM at 0x{gpa:x} overlaps RAM at 0x{other.Start:x}.");
                }
            }

            RamRange[] ram = [.. _ram, new RamRange(gpa, gpa + length, memory, offset, readOnly)];
            Array.Sort(ram, (a, b) => a.Start.CompareTo(b.Start));
            _ram = ram;
        }
    }

    /// <summary>Places a device region. RAM wins where both exist.</summary>
    /// <exception cref="InvalidOperationException">It overlaps another device region, or does not end within 64 bits.</exception>
    public void MapDevice(ulong gpa, ulong length, IMmioDevice device)
    {
        if (!TryMapDevice(gpa, length, device))
        {
            throw new InvalidOperationException($"Device region 0x{gpa:x}+0x{length:x} ({device.GetType().Name}) overlaps another one or the end of the address space.");
        }
    }

    /// <summary>Places a device region where a guest asks for it. RAM wins where both exist.</summary>
    /// <param name="gpa">Guest-physical address of the first byte; any alignment.</param>
    /// <param name="length">Bytes, at least 1.</param>
    /// <returns>False, and nothing is mapped, if it overlaps another device region or does not end within 64 bits.</returns>
    public bool TryMapDevice(ulong gpa, ulong length, IMmioDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfZero(length);
        lock (_gate)
        {
            if (!IsFree(gpa, length))
            {
                return false;
            }

            DeviceRange[] devices = [.. _devices, new DeviceRange(gpa, gpa + length, device)];
            Array.Sort(devices, (a, b) => a.Start.CompareTo(b.Start));
            _devices = devices;
            return true;
        }
    }

    /// <summary>True if no device region overlaps the range now, and it ends within 64 bits.</summary>
    public bool IsFree(ulong gpa, ulong length)
    {
        if (gpa + length < gpa)
        {
            return false;
        }

        foreach (DeviceRange other in _devices)
        {
            if (gpa < other.End && other.Start < gpa + length)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Removes the region that <paramref name="device"/> has at exactly <paramref name="gpa"/>, if there is one.</summary>
    public void UnmapDevice(ulong gpa, IMmioDevice device)
    {
        lock (_gate)
        {
            _devices = Array.FindAll(_devices, range => range.Start != gpa || !ReferenceEquals(range.Device, device));
        }
    }

    /// <summary>Finds the RAM page that holds <paramref name="gpa"/>.</summary>
    /// <param name="gpa">Guest-physical address; any alignment.</param>
    /// <param name="page">The page: memory, page number in it, whether it is read-only.</param>
    /// <returns>False if the address is no RAM.</returns>
    public bool TryGetRamPage(ulong gpa, out RamPage page)
    {
        foreach (RamRange range in _ram)
        {
            if (gpa - range.Start < range.End - range.Start)
            {
                ulong offset = range.Offset + (gpa - range.Start);
                page = new RamPage(range.Memory, offset >> GuestMemory.PageShift, range.ReadOnly);
                return true;
            }
        }

        page = default;
        return false;
    }

    /// <summary>The RAM as a whole, where it is one memory in at most two pieces.</summary>
    /// <returns>False if it is anything else: several memories, ROM beside it, a first piece that does not start at zero.</returns>
    public bool TryGetFlatRam(out FlatRam ram)
    {
        RamRange[] ranges = _ram;
        ram = default;
        if (ranges.Length is 0 or > 2 || Array.Exists(ranges, range => range.ReadOnly || range.Memory != ranges[0].Memory)
            || ranges[0].Start != 0 || ranges[0].Offset != 0 || (ranges.Length == 2 && ranges[1].Offset != ranges[0].End))
        {
            return false;
        }

        ram = new FlatRam(ranges[0].Memory, ranges[0].End, ranges[^1].Start, ranges[^1].Offset + (ranges[^1].End - ranges[^1].Start));
        return true;
    }

    /// <summary>The host memory behind a guest-physical range, for reading by DMA: RAM or ROM, contiguous.</summary>
    /// <returns>False if any byte of the range is neither.</returns>
    public bool TryGetSpan(ulong gpa, uint length, out ReadOnlySpan<byte> span)
    {
        if (TryFindRam(gpa, length, out RamRange range))
        {
            // SAFETY: MapRam checked that the range lies inside the mapping, which lives as long as the GuestMemory.
            span = new ReadOnlySpan<byte>(range.Memory.Base + range.Offset + (gpa - range.Start), (int)length);
            return true;
        }

        span = default;
        return false;
    }

    /// <summary>Begins a write of DMA to a guest-physical range: RAM only, contiguous.</summary>
    /// <param name="length">Bytes; zero is a write of nothing.</param>
    /// <param name="write">To be disposed when the bytes have landed, if true is returned.</param>
    /// <returns>False if any byte of the range is not writable RAM.</returns>
    public bool TryBeginWrite(ulong gpa, uint length, out DmaWrite write)
    {
        if (TryFindRam(gpa, length, out RamRange range) && !range.ReadOnly)
        {
            write = range.Memory.BeginWrite(range.Offset + (gpa - range.Start), (int)length);
            return true;
        }

        write = default;
        return false;
    }

    /// <summary>Whether a write of DMA to a range could begin.</summary>
    public bool IsWritableRam(ulong gpa, uint length) => TryFindRam(gpa, length, out RamRange range) && !range.ReadOnly;

    /// <summary>Writes bytes into RAM.</summary>
    /// <returns>False, and nothing is written, if any byte of the range is not writable RAM.</returns>
    public bool TryWriteBytes(ulong gpa, ReadOnlySpan<byte> bytes)
    {
        if (!TryBeginWrite(gpa, (uint)bytes.Length, out DmaWrite write))
        {
            return false;
        }

        using (write)
        {
            bytes.CopyTo(write.Span);
        }

        return true;
    }

    /// <summary>Gives RAM back to the host, see <see cref="GuestMemory.TryDiscard"/>.</summary>
    /// <returns>False, and nothing changes, if the range is not page aligned or not all of it is writable RAM.</returns>
    public bool TryDiscard(ulong gpa, ulong length)
    {
        foreach (RamRange range in _ram)
        {
            ulong at = gpa - range.Start;
            ulong size = range.End - range.Start;
            if (at < size && length <= size - at && !range.ReadOnly && ((gpa | length) & GuestMemory.PageMask) == 0)
            {
                return range.Memory.TryDiscard(range.Offset + at, length);
            }
        }

        return false;
    }

    /// <summary>Reads a value from RAM or a device. Nothing there: all ones. An access never spans two regions.</summary>
    public ulong Read(ulong gpa, AccessWidth width)
    {
        if (TryGetSpan(gpa, (uint)width, out ReadOnlySpan<byte> span))
        {
            ulong value = 0;
            for (int i = span.Length - 1; i >= 0; i--)
            {
                value = (value << 8) | span[i];
            }

            return value;
        }

        return TryFindDevice(gpa, out DeviceRange range)
            ? range.Device.ReadMmio(gpa - range.Start, width) & width.Mask()
            : width.Mask();
    }

    /// <summary>Writes a value to RAM or a device. Nothing there, or ROM: ignored.</summary>
    public void Write(ulong gpa, AccessWidth width, ulong value)
    {
        if (TryBeginWrite(gpa, (uint)width, out DmaWrite write))
        {
            using (write)
            {
                for (int i = 0; i < write.Span.Length; i++)
                {
                    write.Span[i] = (byte)(value >> (8 * i));
                }
            }

            return;
        }

        if (TryFindDevice(gpa, out DeviceRange range))
        {
            range.Device.WriteMmio(gpa - range.Start, width, value & width.Mask());
        }
    }

    /// <summary>The RAM ranges in ascending order, for memory maps and snapshots.</summary>
    public IEnumerable<(ulong Gpa, ulong Length, bool ReadOnly)> RamRanges() =>
        _ram.Select(range => (range.Start, range.End - range.Start, range.ReadOnly));

    /// <summary>The distinct memories behind the RAM ranges.</summary>
    public IEnumerable<GuestMemory> Memories() => _ram.Select(range => range.Memory).Distinct();

    private bool TryFindRam(ulong gpa, uint length, out RamRange found)
    {
        foreach (RamRange range in _ram)
        {
            ulong at = gpa - range.Start;
            ulong size = range.End - range.Start;
            if (at < size && length <= size - at && length <= int.MaxValue)
            {
                found = range;
                return true;
            }
        }

        found = default;
        return false;
    }

    private bool TryFindDevice(ulong gpa, out DeviceRange found)
    {
        DeviceRange[] devices = _devices;
        int low = 0;
        int high = devices.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >> 1;
            DeviceRange range = devices[middle];
            if (gpa < range.Start)
            {
                high = middle - 1;
            }
            else if (gpa >= range.End)
            {
                low = middle + 1;
            }
            else
            {
                found = range;
                return true;
            }
        }

        found = default;
        return false;
    }
}
