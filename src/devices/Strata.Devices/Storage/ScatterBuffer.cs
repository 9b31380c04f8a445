using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.Storage;

namespace Strata.Devices.Storage;

/// <summary>
/// The guest memory of one disk request, in pieces, and the way of its bytes. Pieces of whole sectors move directly; others go through a
/// copy of the whole. One thread at a time.
/// </summary>
/// <param name="largest">Bytes that a request may have.</param>
internal sealed class ScatterBuffer(AddressSpace memory, int largest)
{
    private const int SectorSize = 512;

    private readonly List<(ulong Address, int Length)> _pieces = [];
    private byte[]? _copy;
    private bool _isCut; // a piece is no whole number of sectors

    /// <summary>Bytes of all pieces.</summary>
    public int Length { get; private set; }

    public void Clear()
    {
        _pieces.Clear();
        Length = 0;
        _isCut = false;
    }

    /// <summary>Appends a piece, or lengthens the last one that it lies behind.</summary>
    /// <returns>False if the request would be too large.</returns>
    public bool TryAdd(ulong address, long length)
    {
        if (length > largest - Length)
        {
            return false;
        }

        if (_pieces.Count > 0 && _pieces[^1] is var (last, lastLength) && last + (ulong)lastLength == address)
        {
            _pieces[^1] = (last, lastLength + (int)length);
        }
        else if (length > 0)
        {
            _pieces.Add((address, (int)length));
        }

        Length += (int)length;
        _isCut = _pieces.Exists(piece => piece.Length % SectorSize != 0);
        return true;
    }

    /// <summary>From the disk into memory.</summary>
    /// <param name="offset">Bytes; the request lies inside the disk, and is of whole sectors.</param>
    /// <returns>False if a piece is no RAM.</returns>
    /// <exception cref="IOException">The disk failed.</exception>
    public bool TryRead(IBlockBackend disk, long offset)
    {
        if (_isCut)
        {
            disk.Read(offset, Copy());
            return TryFill(Copy());
        }

        foreach ((ulong address, int length) in _pieces)
        {
            if (!memory.TryBeginWrite(address, (uint)length, out DmaWrite write))
            {
                return false;
            }

            using (write)
            {
                disk.Read(offset, write.Span);
            }

            offset += length;
        }

        return true;
    }

    /// <summary>From memory to the disk.</summary>
    /// <inheritdoc cref="TryRead"/>
    public bool TryWrite(IBlockBackend disk, long offset)
    {
        if (_isCut)
        {
            bool isRam = TryGather(Copy());
            if (isRam)
            {
                disk.Write(offset, Copy());
            }

            return isRam;
        }

        foreach ((ulong address, int length) in _pieces)
        {
            if (!memory.TryGetSpan(address, (uint)length, out ReadOnlySpan<byte> bytes))
            {
                return false;
            }

            disk.Write(offset, bytes);
            offset += length;
        }

        return true;
    }

    /// <summary>Writes bytes into memory, as many as there is room for.</summary>
    /// <returns>False if a piece is no RAM.</returns>
    public bool TryFill(ReadOnlySpan<byte> bytes)
    {
        foreach ((ulong address, int length) in _pieces)
        {
            ReadOnlySpan<byte> part = bytes[..Math.Min(length, bytes.Length)];
            if (!memory.TryWriteBytes(address, part))
            {
                return false;
            }

            bytes = bytes[part.Length..];
        }

        return true;
    }

    /// <summary>Takes bytes from memory, as many as there are.</summary>
    /// <inheritdoc cref="TryFill"/>
    public bool TryGather(Span<byte> bytes)
    {
        foreach ((ulong address, int length) in _pieces)
        {
            int count = Math.Min(length, bytes.Length);
            if (!memory.TryGetSpan(address, (uint)count, out ReadOnlySpan<byte> part))
            {
                return false;
            }

            part.CopyTo(bytes);
            bytes = bytes[count..];
        }

        return true;
    }

    private Span<byte> Copy() => (_copy ??= new byte[largest]).AsSpan(0, Length);
}
