using Strata.Core.Memory;

namespace Strata.Core.Bus;

/// <summary>
/// The guest-physical address space: what lies at each address, now. Look-ups come from any thread and take no lock; the map is replaced
/// whole (<see cref="Change"/>).
/// </summary>
public sealed unsafe partial class AddressSpace
{
    private volatile MemoryMap _current = MemoryMap.Empty;

    /// <summary>The map of this moment.</summary>
    public MemoryMap Current => _current;

    /// <summary>Finds the RAM page that holds <paramref name="gpa"/>.</summary>
    /// <param name="gpa">Guest-physical address; any alignment.</param>
    /// <param name="page">The page: memory, page number in it, whether it is read-only.</param>
    /// <returns>
    /// False if the address is no RAM, or its page is RAM in part only: that part is reached by <see cref="Read"/> and <see cref="Write"/>.
    /// </returns>
    public bool TryGetRamPage(ulong gpa, out RamPage page)
    {
        ulong start = gpa & ~GuestMemory.PageMask;
        if (_current.TryFindMemory(start, GuestMemory.PageSize, out MapRange range))
        {
            ulong offset = range.Offset + (start - range.Start);
            page = new RamPage(range.Memory!, offset >> GuestMemory.PageShift, range.Kind == RegionKind.Rom);
            return true;
        }

        page = default;
        return false;
    }

    /// <summary>The host memory behind a guest-physical range, for reading by DMA: RAM or ROM, contiguous.</summary>
    /// <returns>False if any byte of the range is neither.</returns>
    public bool TryGetSpan(ulong gpa, uint length, out ReadOnlySpan<byte> span)
    {
        if (length <= int.MaxValue && _current.TryFindMemory(gpa, length, out MapRange range))
        {
            // SAFETY: a region lies inside its mapping, which lives as long as the GuestMemory.
            span = new ReadOnlySpan<byte>(range.Memory!.Base + range.Offset + (gpa - range.Start), (int)length);
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
        if (TryFindWritable(gpa, length, out MapRange range))
        {
            write = range.Memory!.BeginWrite(range.Offset + (gpa - range.Start), (int)length);
            return true;
        }

        write = default;
        return false;
    }

    /// <summary>Whether a write of DMA to a range could begin.</summary>
    public bool IsWritableRam(ulong gpa, uint length) => TryFindWritable(gpa, length, out _);

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
    public bool TryDiscard(ulong gpa, ulong length) =>
        ((gpa | length) & GuestMemory.PageMask) == 0
        && _current.TryFindMemory(gpa, length, out MapRange range) && range.Kind == RegionKind.Ram
        && range.Memory!.TryDiscard(range.Offset + (gpa - range.Start), length);

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

        return _current.TryFind(gpa, out MapRange range) && range.Kind == RegionKind.Device
            ? range.Device!.ReadMmio(range.DeviceOffset + (gpa - range.Start), width) & width.Mask()
            : width.Mask();
    }

    /// <summary>Writes a value to RAM or a device. Nothing there, or ROM that no device stands behind: ignored.</summary>
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
        }
        else if (_current.TryFind(gpa, out MapRange range))
        {
            range.Device?.WriteMmio(range.DeviceOffset + (gpa - range.Start), width, value & width.Mask());
        }
    }

    /// <summary>The RAM ranges in ascending order, for memory maps and snapshots.</summary>
    public IEnumerable<(ulong Gpa, ulong Length, bool ReadOnly)> RamRanges() =>
        _current.Ranges.ToArray().Where(range => range.IsMemory).Select(range => (range.Start, range.Length, range.Kind == RegionKind.Rom));

    /// <summary>The distinct memories behind the RAM ranges.</summary>
    public IEnumerable<GuestMemory> Memories() => _current.Memory.ToArray().Select(range => range.Memory!).Distinct();

    private bool TryFindWritable(ulong gpa, uint length, out MapRange range)
    {
        range = default;
        return length <= int.MaxValue && _current.TryFindMemory(gpa, length, out range) && range.Kind == RegionKind.Ram;
    }
}
