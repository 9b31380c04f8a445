using Strata.Disks.Images;
using static Strata.Disks.Qcow2.Qcow2Format;

namespace Strata.Disks.Qcow2;

// Changes of the size and of the backing image's name.
public sealed partial class Qcow2Image
{
    public override void Resize(long size)
    {
        lock (_lock)
        {
            BeginChange();
            if (size <= 0 || size % SectorSize != 0 || _file.L1EntriesFor(size) * EntrySize > LargestL1)
            {
                throw new DiskImageException($"The disk {Path} cannot have {size:N0} bytes; give a multiple of 512 that suits its cluster size.");
            }

            long old = _file.Header.Size;
            if (size < old)
            {
                Shrink(size);
            }
            else if (_file.L1EntriesFor(size) > _file.Header.L1Size)
            {
                ulong[] l1 = new ulong[_file.L1EntriesFor(size)];
                _mapping.L1.CopyTo(l1);
                Replace(_file.Header with { Size = size }, _snapshots, l1);
            }
            else if (size > old)
            {
                WriteBack();
                _file.WriteHeader(_file.Header with { Size = size });
                _file.File.Flush();
            }

            if (size > old)
            {
                HideBacking(old, size);
            }
        }
    }

    /// <summary>
    /// States another backing image without changing or reading any data: the caller knows that unallocated clusters read the same there. Takes
    /// effect when the image is opened again.
    /// </summary>
    /// <param name="name">As it is to be stored; null for none.</param>
    /// <param name="format">Its format.</param>
    public void ChangeBackingName(string? name, string? format)
    {
        lock (_lock)
        {
            BeginChange();
            WriteBack();
            _file.WriteHeader(_file.Header with { BackingFile = name, BackingFormat = name is null ? null : format });
            _file.File.Flush();
        }
    }

    /// <summary>Gives every cluster of this image up, so that the disk shows the backing image, or zeros without one.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            BeginChange();
            Unmap(0, _file.ToClusters(_file.Header.Size) << _file.ClusterBits);
            WriteBack();
        }
    }

    /// <summary>What is cut off is given up first, so that it does not come back when the disk grows again.</summary>
    private void Shrink(long size)
    {
        if (_snapshots.Count != 0)
        {
            throw new DiskImageException($"The disk {Path} has snapshots, which would not fit any more; delete them before making it smaller.");
        }

        long old = _file.Header.Size;
        long end = _file.ToClusters(size) << _file.ClusterBits;
        WriteZeroBytes(size, Math.Min(end, old) - size);
        Unmap(end, _file.ToClusters(old) << _file.ClusterBits);
        WriteBack();
        _file.WriteHeader(_file.Header with { Size = size });
        _file.File.Flush();
    }

    /// <summary>Clears whole clusters from the tables, and the tables that map nothing else.</summary>
    private void Unmap(long start, long end)
    {
        for (long place = start; place < end;)
        {
            long tableStart = place / _mapping.TableSpan * _mapping.TableSpan;
            long tableEnd = Math.Min(tableStart + _mapping.TableSpan, end);
            if (_mapping.FindTable(place) != 0)
            {
                BeginAllocation();
                bool isWhole = place == tableStart;
                if (!isWhole)
                {
                    _mapping.EnsureTable(place);
                }

                List<Qcow2Entry> old = [];
                for (long cluster = place; cluster < tableEnd; cluster += _file.ClusterSize)
                {
                    if (_mapping[cluster] is { Raw: not 0 } entry)
                    {
                        old.Add(entry);
                        if (!isWhole)
                        {
                            _mapping.Set(cluster, 0);
                        }
                    }
                }

                if (isWhole)
                {
                    _mapping.RemoveTable((int)(tableStart / _mapping.TableSpan));
                }

                old.ForEach(Release); // after the references are gone: a write-back in between must not free what is referred to
            }

            place = tableEnd;
        }
    }

    /// <summary>A backing image that is longer than the disk was must not show through in what is new.</summary>
    private void HideBacking(long old, long size)
    {
        long backingSize = _backing is { } backing ? backing.Sectors * SectorSize : 0;
        if (_backing is null && _file.Header.BackingFile is not null)
        {
            throw new DiskImageException($"The disk {Path} can only grow with its backing image open.");
        }

        if (backingSize > old)
        {
            WriteZeros(old, Math.Min(size, backingSize) - old);
        }
    }
}
