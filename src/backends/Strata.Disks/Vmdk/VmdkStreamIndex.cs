using System.Buffers.Binary;
using Strata.Disks.Images;
using L = Strata.Disks.Vmdk.VmdkLayout;

namespace Strata.Disks.Vmdk;

/// <summary>
/// Where the grains of a stream-optimized extent lie, and the end of the file where grains and tables are added. Not thread-safe.
/// </summary>
internal sealed class VmdkStreamIndex
{
    private readonly ImageFile _file;
    private readonly VmdkSparseHeader _header;
    private readonly uint[]?[] _tables;

    /// <summary>Where the next grain goes; sectors.</summary>
    private long _end;

    /// <summary>Entries of the tables that were read.</summary>
    private long _entered;

    private VmdkStreamIndex(ImageFile file, VmdkSparseHeader header)
    {
        _file = file;
        _header = header;
        _tables = new uint[header.Tables][];
        _end = Math.Max(header.OverHead, header.DescriptorOffset + header.DescriptorSize);
    }

    /// <summary>The last grain that has a place; -1 for none.</summary>
    public long LastGrain { get; private set; } = -1;

    /// <summary>Whether the tables behind the grains are in the file.</summary>
    public bool IsFinished { get; private set; }

    public static VmdkStreamIndex Read(ImageFile file, VmdkSparseHeader header)
    {
        VmdkStreamIndex index = new(file, header);
        if (header.GdOffset != L.GD_AT_END)
        {
            index.ReadTables(header.GdOffset);
        }
        else if (FindFooter(file) is { } footer)
        {
            index.CheckFooter(footer);
            index.ReadTables(footer.GdOffset);
        }
        else
        {
            index.ScanMarkers();
        }

        return index;
    }

    /// <returns>Sector of the grain's marker; 0 for none.</returns>
    public uint SectorOf(long grain) => _tables[grain / L.EntriesPerTable]?[grain % L.EntriesPerTable] ?? 0;

    /// <summary>
    /// Cuts what lies where grains are added: the tables of an extent without grains, or what a writer left that stopped, which
    /// could later be taken for grains of ours.
    /// </summary>
    public void BeginAppending()
    {
        IsFinished = false;
        if (_file.Length > _end * L.SectorSize)
        {
            _file.SetLength(_end * L.SectorSize);
            _file.Flush();
        }
    }

    /// <param name="encoded">Whole sectors.</param>
    public void Append(long grain, byte[] encoded)
    {
        if (_end + (encoded.Length / L.SectorSize) > uint.MaxValue)
        {
            throw _file.Unsupported("a streamOptimized image cannot grow past 2 TiB", "choose another format");
        }

        _file.Write(_end * L.SectorSize, encoded);
        Enter(grain, (uint)_end);
        _end += encoded.Length / L.SectorSize;
    }

    /// <summary>Writes tables, footer and end of stream, if they are not there.</summary>
    public void Finish()
    {
        if (IsFinished)
        {
            return;
        }

        long end = _end;
        byte[] directory = new byte[_header.DirectorySectors * L.SectorSize];
        for (int table = 0; table < _tables.Length; table++)
        {
            if (_tables[table] is { } entries)
            {
                end = WriteTable(entries, end);
                BinaryPrimitives.WriteUInt32LittleEndian(
                    directory.AsSpan(table * L.EntrySize), (uint)(end - (L.TableLength / L.SectorSize)));
            }
        }

        _file.Write(end * L.SectorSize, Marker((ulong)_header.DirectorySectors, L.MARKER_GD));
        _file.Write((end + 1) * L.SectorSize, directory);
        byte[] trailer = new byte[L.TrailerLength];
        Marker(1, L.MARKER_FOOTER).CopyTo(trailer, 0);
        (_header with { GdOffset = (ulong)(end + 1) }).Write(trailer.AsSpan(L.SectorSize, L.HeaderLength));

        // The footer is what makes the file a finished one.
        _file.Flush();
        end += 1 + _header.DirectorySectors;
        _file.SetLength(end * L.SectorSize);
        _file.Write(end * L.SectorSize, trailer);
        _file.Flush();
        IsFinished = true;
    }

    private static VmdkSparseHeader? FindFooter(ImageFile file)
    {
        byte[] trailer = new byte[L.TrailerLength];
        if (file.Length < L.HeaderLength + trailer.Length)
        {
            return null;
        }

        file.Read(file.Length - trailer.Length, trailer);
        bool isTrailer = BinaryPrimitives.ReadUInt32LittleEndian(trailer.AsSpan(L.MarkerType)) == L.MARKER_FOOTER
            && BinaryPrimitives.ReadUInt32LittleEndian(trailer.AsSpan(8)) == 0
            && VmdkSparseHeader.HasMagic(trailer.AsSpan(L.SectorSize))
            && !trailer.AsSpan(2 * L.SectorSize).ContainsAnyExcept((byte)0);
        return isTrailer ? VmdkSparseHeader.Parse(trailer.AsSpan(L.SectorSize, L.HeaderLength), file) : null;
    }

    private static byte[] Marker(ulong sectors, uint type)
    {
        byte[] marker = new byte[L.SectorSize];
        BinaryPrimitives.WriteUInt64LittleEndian(marker, sectors);
        BinaryPrimitives.WriteUInt32LittleEndian(marker.AsSpan(L.MarkerType), type);
        return marker;
    }

    private long WriteTable(uint[] entries, long end)
    {
        byte[] bytes = new byte[L.TableLength];
        for (int index = 0; index < entries.Length; index++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(index * L.EntrySize), entries[index]);
        }

        _file.Write(end * L.SectorSize, Marker(L.TableLength / L.SectorSize, L.MARKER_GT));
        _file.Write((end + 1) * L.SectorSize, bytes);
        return end + 1 + (L.TableLength / L.SectorSize);
    }

    private void CheckFooter(VmdkSparseHeader footer)
    {
        if (footer.Capacity != _header.Capacity || footer.GrainSize != _header.GrainSize || footer.GdOffset == L.GD_AT_END)
        {
            throw _file.Damaged("its footer contradicts its header");
        }
    }

    private void ReadTables(ulong directorySector)
    {
        byte[] directory = new byte[_header.Tables * L.EntrySize];
        _file.ReadStructure((long)directorySector * L.SectorSize, directory, "grain directory");
        byte[] table = new byte[L.TableLength];
        for (int index = 0; index < _header.Tables; index++)
        {
            uint sector = BinaryPrimitives.ReadUInt32LittleEndian(directory.AsSpan(index * L.EntrySize));
            if (sector == 0)
            {
                continue;
            }

            _file.ReadStructure((long)sector * L.SectorSize, table, "grain table");
            EnterTable(index, table);
        }

        IsFinished = true;
    }

    private void EnterTable(int index, ReadOnlySpan<byte> table)
    {
        bool hasZeroed = (_header.Flags & L.FlagZeroedGrains) != 0;
        for (int entry = 0; entry < L.EntriesPerTable; entry++)
        {
            long grain = ((long)index * L.EntriesPerTable) + entry;
            uint sector = BinaryPrimitives.ReadUInt32LittleEndian(table[(entry * L.EntrySize)..]);
            if (sector != L.EntryUnallocated && !(hasZeroed && sector == L.EntryZeroed) && grain * _header.GrainSize < _header.Capacity)
            {
                // Each takes a sector at least. This bounds the memory that a small file can ask for.
                if (++_entered > _file.Length / L.SectorSize)
                {
                    throw _file.Damaged("its tables list more grains than the file can hold");
                }

                Enter(grain, sector);
            }
        }
    }

    /// <summary>Follows the grains of a file whose writer stopped, up to the first that did not arrive whole.</summary>
    private void ScanMarkers()
    {
        byte[] marker = new byte[L.MarkerType + sizeof(uint)];
        byte[] grain = new byte[_header.GrainBytes];
        while (_end * L.SectorSize < _file.Length)
        {
            _file.Read(_end * L.SectorSize, marker);
            ulong first = BinaryPrimitives.ReadUInt64LittleEndian(marker);
            uint size = BinaryPrimitives.ReadUInt32LittleEndian(marker.AsSpan(8));
            bool isOnDisk = first % (ulong)_header.GrainSize == 0 && first < (ulong)_header.Capacity;
            bool isGrain = size > 0 && isOnDisk && (long)first / _header.GrainSize >= LastGrain;
            if (!isGrain || !VmdkGrainCodec.TryDecode(_file, _end, (long)first, grain))
            {
                return;
            }

            Enter((long)first / _header.GrainSize, (uint)_end);
            _end += VmdkGrainCodec.SectorsOf(size);
        }
    }

    private void Enter(long grain, uint sector)
    {
        uint[] table = _tables[grain / L.EntriesPerTable] ??= new uint[L.EntriesPerTable];
        table[grain % L.EntriesPerTable] = sector;
        LastGrain = Math.Max(LastGrain, grain);
    }
}
