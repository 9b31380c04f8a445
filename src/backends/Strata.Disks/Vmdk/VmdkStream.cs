using System.Buffers.Binary;
using Strata.Disks.Blocks;
using Strata.Disks.Images;
using L = Strata.Disks.Vmdk.VmdkLayout;

namespace Strata.Disks.Vmdk;

/// <summary>
/// A stream-optimized extent: compressed grains one after the other, the tables behind them. It is read anywhere and written from
/// start to end only: the grain that is being filled is held here, and goes to the file when the next one begins, when it is
/// flushed (and then once more if more of it is written: the later one counts), or at the end. A file whose writer stopped has no
/// tables yet; the markers of its grains tell as much.
/// </summary>
internal sealed class VmdkStream : ByteStore
{
    private readonly Lock _lock = new();
    private readonly ImageFile _file;
    private readonly VmdkSparseHeader _header;

    /// <summary>Sector of each grain's marker, by grain; 0 for none.</summary>
    private readonly VmdkStreamIndex _index;

    /// <summary>The grain whose bytes <see cref="_grain"/> holds; negative for none.</summary>
    private long _current = -1;
    private readonly byte[] _grain;
    private bool _grainIsNew;
    private bool _closed;

    public VmdkStream(ImageFile file, VmdkSparseHeader header)
    {
        _file = file;
        _header = header;
        _grain = new byte[header.GrainBytes];
        _index = VmdkStreamIndex.Read(file, header);
        if (!file.IsReadOnly && _index.IsFinished && _index.LastGrain >= 0)
        {
            throw file.Unsupported(
                "a streamOptimized image that is finished is never written again",
                "open it for reading, or convert it to monolithicSparse");
        }
    }

    public override long Length => _header.Capacity * L.SectorSize;

    /// <summary>Whether its writer stopped before the end.</summary>
    public bool IsUnfinished => !_index.IsFinished;

    public override void Read(long offset, Span<byte> buffer)
    {
        lock (_lock)
        {
            while (!buffer.IsEmpty)
            {
                int within = (int)(offset % _grain.Length);
                int count = Math.Min(buffer.Length, _grain.Length - within);
                ReadGrain(offset / _grain.Length, within, buffer[..count]);
                buffer = buffer[count..];
                offset += count;
            }
        }
    }

    public override void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        lock (_lock)
        {
            while (!buffer.IsEmpty)
            {
                int within = (int)(offset % _grain.Length);
                int count = Math.Min(buffer.Length, _grain.Length - within);
                WriteGrain(offset / _grain.Length, within, buffer[..count]);
                buffer = buffer[count..];
                offset += count;
            }
        }
    }

    public override void WriteZeros(long offset, long length)
    {
        lock (_lock)
        {
            for (long end = offset + length; offset < end;)
            {
                long grain = offset / _grain.Length;
                int within = (int)(offset % _grain.Length);
                int count = (int)Math.Min(end - offset, _grain.Length - within);
                if (grain == _current || _index.SectorOf(grain) != 0)
                {
                    WriteGrain(grain, within, new byte[count]);
                }

                offset += count;
            }
        }
    }

    public override void Discard(long offset, long length)
    {
        // A hint, and what was written cannot be taken back.
    }

    public override DiskExtent Map(long offset, long length)
    {
        lock (_lock)
        {
            DiskExtentKind kind = KindOf(offset / _grain.Length);
            long end = ((offset / _grain.Length) + 1) * _grain.Length;
            while (end < offset + length && KindOf(end / _grain.Length) == kind)
            {
                end += _grain.Length;
            }

            return new DiskExtent(Math.Min(end, offset + length) - offset, kind);
        }
    }

    public override void Flush()
    {
        lock (_lock)
        {
            StoreGrain();
            _file.Flush();
        }
    }

    public DiskCheckReport Check(bool repair)
    {
        lock (_lock)
        {
            List<string> errors = [];
            byte[] grain = new byte[_grain.Length];
            for (long index = 0; index <= _index.LastGrain && errors.Count < 100; index++)
            {
                uint sector = _index.SectorOf(index);
                if (sector != 0 && !VmdkGrainCodec.TryDecode(_file, sector, index * _header.GrainSize, grain))
                {
                    errors.Add($"Grain {index:N0} at sector {sector:N0} cannot be decompressed.");
                }
            }

            if (IsUnfinished && _file.IsReadOnly)
            {
                errors.Add("The tables at the end are missing: its writer stopped. Check it with repair to add them.");
            }

            bool mends = IsUnfinished && repair && !_file.IsReadOnly;
            if (mends)
            {
                Finish();
            }

            return new DiskCheckReport { Errors = errors, Repairs = mends ? ["The tables at the end were written."] : [] };
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (!disposing || _closed)
        {
            return;
        }

        _closed = true;
        try
        {
            if (!_file.IsReadOnly)
            {
                Finish();
            }
        }
        finally
        {
            _file.Dispose();
        }
    }

    private void ReadGrain(long grain, int within, Span<byte> buffer)
    {
        if (grain == _current)
        {
            _grain.AsSpan(within, buffer.Length).CopyTo(buffer);
            return;
        }

        uint sector = _index.SectorOf(grain);
        if (sector == 0)
        {
            buffer.Clear();
            return;
        }

        if (_grainIsNew)
        {
            // The buffer belongs to the grain that is being filled.
            byte[] other = new byte[_grain.Length];
            Decode(grain, sector, other);
            other.AsSpan(within, buffer.Length).CopyTo(buffer);
            return;
        }

        _current = -1;
        Decode(grain, sector, _grain);
        _current = grain;
        _grain.AsSpan(within, buffer.Length).CopyTo(buffer);
    }

    private void WriteGrain(long grain, int within, ReadOnlySpan<byte> buffer)
    {
        if (grain < _index.LastGrain || (grain < _current && _grainIsNew))
        {
            if (_index.SectorOf(grain) == 0 && !buffer.ContainsAnyExcept((byte)0))
            {
                return;
            }

            throw WrittenTwice(grain);
        }

        if (grain != _current)
        {
            if (_index.SectorOf(grain) == 0 && !buffer.ContainsAnyExcept((byte)0))
            {
                return;
            }

            StoreGrain();
            _current = -1;
            _grain.AsSpan().Clear();
            if (_index.SectorOf(grain) is uint sector and not 0)
            {
                Decode(grain, sector, _grain);
            }

            _current = grain;
        }

        buffer.CopyTo(_grain.AsSpan(within));
        _grainIsNew = true;
    }

    private void StoreGrain()
    {
        if (!_grainIsNew)
        {
            return;
        }

        _index.BeginAppending();
        _index.Append(_current, VmdkGrainCodec.Encode(_current * _header.GrainSize, _grain));
        _grainIsNew = false;
    }

    private void Finish()
    {
        StoreGrain();
        _index.Finish();
    }

    private void Decode(long grain, uint sector, byte[] target)
    {
        if (!VmdkGrainCodec.TryDecode(_file, sector, grain * _header.GrainSize, target))
        {
            throw _file.Damaged($"its grain {grain:N0} at sector {sector:N0} cannot be decompressed");
        }
    }

    private DiskExtentKind KindOf(long grain) =>
        _index.SectorOf(grain) != 0 || (grain == _current && _grainIsNew) ? DiskExtentKind.Data : DiskExtentKind.Unallocated;

    private DiskImageException WrittenTwice(long grain) => _file.Unsupported(
        $"a streamOptimized image is written from start to end, and grain {grain:N0} lies before its end",
        "create a monolithicSparse image to write anywhere");
}
