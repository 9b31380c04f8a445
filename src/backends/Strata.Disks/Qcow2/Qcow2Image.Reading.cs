using System.Buffers;
using Strata.Disks.Images;

namespace Strata.Disks.Qcow2;

// From the disk's bytes to the file's: nothing here changes the image.
public sealed partial class Qcow2Image
{
    public override void Read(long offset, Span<byte> buffer)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            CheckRange(offset, buffer.Length);
            while (!buffer.IsEmpty)
            {
                Qcow2Entry entry = _mapping[offset];
                int length = RunLength(entry, offset, buffer.Length);
                ReadRun(entry, offset, buffer[..length]);
                offset += length;
                buffer = buffer[length..];
            }
        }
    }

    public override DiskExtent Map(long offset, long length)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            CheckRange(offset, length);
            DiskExtentKind kind = KindOf(_mapping[offset].Kind);
            long end = offset + length;
            long place = offset;
            while (place < end)
            {
                if (_mapping.FindTable(place) == 0)
                {
                    if (kind != DiskExtentKind.Unallocated)
                    {
                        break;
                    }

                    place = (place / _mapping.TableSpan * _mapping.TableSpan) + _mapping.TableSpan;
                }
                else if (KindOf(_mapping[place].Kind) == kind)
                {
                    place = ((place >> _file.ClusterBits) + 1) << _file.ClusterBits;
                }
                else
                {
                    break;
                }
            }

            return new DiskExtent(Math.Min(place, end) - offset, kind);
        }
    }

    private static DiskExtentKind KindOf(Qcow2ClusterKind kind) => kind switch
    {
        Qcow2ClusterKind.Unallocated => DiskExtentKind.Unallocated,
        Qcow2ClusterKind.Zero => DiskExtentKind.Zero,
        _ => DiskExtentKind.Data,
    };

    /// <summary>Bytes that can be read at once: clusters that follow each other in the file, or are all absent.</summary>
    private int RunLength(Qcow2Entry first, long offset, int wanted)
    {
        int inCluster = (int)(offset & (_file.ClusterSize - 1));
        long length = _file.ClusterSize - inCluster;
        if (first.Kind == Qcow2ClusterKind.Compressed)
        {
            return (int)Math.Min(length, wanted);
        }

        while (length < wanted)
        {
            Qcow2Entry next = _mapping[offset + length];
            if (next.Kind != first.Kind || (next.Kind == Qcow2ClusterKind.Data && next.Offset != first.Offset + inCluster + length))
            {
                break;
            }

            length += _file.ClusterSize;
        }

        return (int)Math.Min(length, wanted);
    }

    private void ReadRun(Qcow2Entry entry, long offset, Span<byte> buffer)
    {
        int inCluster = (int)(offset & (_file.ClusterSize - 1));
        switch (entry.Kind)
        {
            case Qcow2ClusterKind.Zero:
                buffer.Clear();
                break;
            case Qcow2ClusterKind.Unallocated:
                ReadBacking(offset, buffer);
                break;
            case Qcow2ClusterKind.Data:
                CheckData(entry);
                _file.File.Read(entry.Offset + inCluster, buffer);
                break;
            default:
                Unpack(entry).AsSpan(inCluster, buffer.Length).CopyTo(buffer);
                break;
        }
    }

    /// <summary>The backing image's bytes; zeros behind its end.</summary>
    private void ReadBacking(long offset, Span<byte> buffer)
    {
        if (_backing is null)
        {
            if (_file.Header.BackingFile is not null)
            {
                throw new DiskImageException($"A part of {Path} is in its backing image, which was not opened.");
            }

            buffer.Clear();
            return;
        }

        int inside = (int)Math.Clamp((_backing.Sectors * Qcow2Format.SectorSize) - offset, 0, buffer.Length);
        if (inside > 0)
        {
            _backing.Read(offset, buffer[..inside]);
        }

        buffer[inside..].Clear();
    }

    /// <summary>A cluster of data is a whole cluster that starts in the file.</summary>
    private void CheckData(Qcow2Entry entry)
    {
        if (!_file.IsAligned(entry.Offset) || entry.Offset >= _file.File.Length)
        {
            throw _file.Corrupt($"an L2 entry names a cluster at {entry.Offset}, where none can be");
        }
    }

    /// <returns>A compressed cluster's bytes, valid until the next call.</returns>
    private byte[] Unpack(Qcow2Entry entry)
    {
        _unpacked ??= new byte[_file.ClusterSize];
        if (_unpackedOffset == entry.Offset)
        {
            return _unpacked;
        }

        if (entry.Offset < _file.ClusterSize || entry.Offset >= _file.File.Length)
        {
            throw _file.Corrupt($"an L2 entry names compressed data at {entry.Offset}, where none can be");
        }

        _unpackedOffset = -1;
        byte[] packed = ArrayPool<byte>.Shared.Rent(entry.CompressedLength);
        try
        {
            _file.File.Read(entry.Offset, packed.AsSpan(0, entry.CompressedLength));
            if (!Qcow2Compression.TryUnpack(packed.AsMemory(0, entry.CompressedLength), _unpacked))
            {
                throw new DiskImageException($"{Path} is damaged: the compressed data at {entry.Offset} cannot be unpacked. Restore the image from a copy.");
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(packed);
        }

        _unpackedOffset = entry.Offset;
        return _unpacked;
    }
}
