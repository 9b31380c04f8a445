using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Memory;

namespace Strata.Machines.Boot;

/// <summary>
/// Puts bytes into guest RAM while a machine is being built; an address outside of RAM is an error of the image, and so is one part
/// over another (parts are told apart by what they are called).
/// </summary>
internal sealed class GuestWriter(AddressSpace memory)
{
    private readonly List<(ulong Start, ulong End, string What)> _parts = [];

    public void Write(ulong gpa, ReadOnlySpan<byte> bytes, string what)
    {
        if (bytes.IsEmpty)
        {
            return;
        }

        if (!memory.IsWritableRam(gpa, (uint)bytes.Length))
        {
            throw new BootImageException(
                $"The {what} ({bytes.Length:N0} bytes) does not fit into guest memory at 0x{gpa:x}; give the machine more memory.");
        }

        Claim(gpa, (ulong)bytes.Length, what);
        memory.TryWriteBytes(gpa, bytes);
    }

    public void Clear(ulong gpa, ulong length, string what)
    {
        if (length == 0)
        {
            return;
        }

        if (length > int.MaxValue || !memory.TryBeginWrite(gpa, (uint)length, out DmaWrite write))
        {
            throw new BootImageException(
                $"The {what} ({length:N0} bytes) does not fit into guest memory at 0x{gpa:x}; give the machine more memory.");
        }

        using DmaWrite zeros = write;
        Claim(gpa, length, what);
        zeros.Span.Clear();
    }

    public void Write64(ulong gpa, ulong value, string what)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        Write(gpa, bytes, what);
    }

    /// <summary>
    /// The lowest range between two addresses that firmware leaves free and no part occupies; null where none is large enough.
    /// </summary>
    /// <param name="map">What firmware says of memory.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="alignment">Of the range's start, a power of two.</param>
    /// <param name="from">Lowest start.</param>
    /// <param name="to">Highest end.</param>
    public ulong? FindFree(IReadOnlyList<MemoryMapEntry> map, ulong length, ulong alignment, ulong from, ulong to)
    {
        foreach (MemoryMapEntry entry in map.Where(entry => entry.Kind == 1).OrderBy(entry => entry.Start))
        {
            ulong end = Math.Min(to, entry.Start + entry.Length);
            ulong at = AlignUp(Math.Max(from, entry.Start), alignment);
            foreach ((ulong start, ulong partEnd, _) in _parts.OrderBy(part => part.Start))
            {
                if (start < at + length && at < partEnd)
                {
                    at = AlignUp(partEnd, alignment);
                }
            }

            if (at < end && length <= end - at)
            {
                return at;
            }
        }

        return null;
    }

    /// <summary>The highest range between two addresses that firmware leaves free; for the first part of all.</summary>
    /// <inheritdoc cref="FindFree"/>
    public static ulong? FindHighest(IReadOnlyList<MemoryMapEntry> map, ulong length, ulong alignment, ulong from, ulong to)
    {
        foreach (MemoryMapEntry entry in map.Where(entry => entry.Kind == 1).OrderByDescending(entry => entry.Start))
        {
            ulong end = Math.Min(to, entry.Start + entry.Length);
            ulong start = Math.Max(from, entry.Start);
            ulong at = end >= length ? (end - length) & ~(alignment - 1) : 0;
            if (end > start && length <= end - start && at >= start)
            {
                return at;
            }
        }

        return null;
    }

    private static ulong AlignUp(ulong address, ulong alignment) => (address + alignment - 1) & ~(alignment - 1);

    /// <summary>The range is known to be RAM, so its end does not wrap.</summary>
    private void Claim(ulong gpa, ulong length, string what)
    {
        foreach ((ulong start, ulong end, string other) in _parts)
        {
            if (gpa < end && start < gpa + length && other != what)
            {
                throw new BootImageException(
                    $"The {what} at 0x{gpa:x} overlaps the {other} at 0x{start:x}; link the kernel elsewhere, at 1 MiB or above.");
            }
        }

        _parts.Add((gpa, gpa + length, what));
    }
}
