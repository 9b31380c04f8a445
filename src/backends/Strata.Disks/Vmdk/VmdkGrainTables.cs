using System.Buffers.Binary;
using Strata.Disks.Blocks;
using Strata.Disks.Images;
using L = Strata.Disks.Vmdk.VmdkLayout;

namespace Strata.Disks.Vmdk;

/// <summary>
/// The grain directory and tables of an extent, and their redundant copies. Tables are read when needed; changed ones stay in
/// memory until they are taken. Not thread-safe.
/// </summary>
internal sealed class VmdkGrainTables
{
    /// <summary>Tables that are kept in memory: 8 MiB of them, for 128 GiB of disk with the usual grains.</summary>
    private const int MaximumCached = 4096;

    private readonly ImageFile _file;
    private readonly byte[] _directory;
    private readonly byte[]? _redundant;
    private readonly Dictionary<int, byte[]> _cached = [];
    private readonly SortedSet<int> _changed = [];

    public VmdkGrainTables(ImageFile file, VmdkSparseHeader header)
    {
        _file = file;
        _directory = ReadDirectory((long)header.GdOffset, header);
        _redundant = header.RgdOffset == 0 ? null : ReadDirectory(header.RgdOffset, header);
    }

    /// <summary>Where the last table ends; bytes.</summary>
    public long End
    {
        get
        {
            long end = 0;
            for (int table = 0; table < _directory.Length / L.EntrySize; table++)
            {
                end = Math.Max(end, PlaceOf(_directory, table) + L.TableLength);
                end = Math.Max(end, _redundant is null ? 0 : PlaceOf(_redundant, table) + L.TableLength);
            }

            return end;
        }
    }

    public uint Entry(long grain)
    {
        int table = (int)(grain / L.EntriesPerTable);
        return PlaceOf(_directory, table) == 0 ? L.EntryUnallocated : BinaryPrimitives.ReadUInt32LittleEndian(EntryBytes(table, grain));
    }

    /// <summary>Extents that VMware and others make have all their tables from the start.</summary>
    public void CheckCanSet(long grain)
    {
        if (PlaceOf(_directory, (int)(grain / L.EntriesPerTable)) == 0)
        {
            throw _file.Unsupported("a grain table that must be written has no place in it", "convert it to a new image");
        }
    }

    public void Set(long grain, uint entry)
    {
        int table = (int)(grain / L.EntriesPerTable);
        BinaryPrimitives.WriteUInt32LittleEndian(EntryBytes(table, grain), entry);
        _changed.Add(table);
    }

    /// <summary>Appends copies of the changed tables, redundant ones first, and forgets that they changed.</summary>
    public bool TakeChanges(List<MetadataWrite> writes)
    {
        foreach (int table in _changed)
        {
            byte[] copy = (byte[])_cached[table].Clone();
            if (_redundant is not null && PlaceOf(_redundant, table) != 0)
            {
                writes.Add(new MetadataWrite(PlaceOf(_redundant, table), copy));
            }

            writes.Add(new MetadataWrite(PlaceOf(_directory, table), copy));
        }

        bool any = _changed.Count > 0;
        _changed.Clear();
        return any;
    }

    /// <summary>Compares the tables with their copies.</summary>
    /// <param name="repair">Marks differing tables so that the copies are written anew.</param>
    /// <returns>What differs, as a line for people; null when nothing does.</returns>
    public string? CompareCopies(bool repair)
    {
        int differing = 0;
        for (int table = 0; _redundant is not null && table < _directory.Length / L.EntrySize; table++)
        {
            if (PlaceOf(_directory, table) == 0
                || PlaceOf(_redundant, table) == 0
                || ReadTable(_redundant, table).AsSpan().SequenceEqual(Table(table)))
            {
                continue;
            }

            differing++;
            if (repair)
            {
                _changed.Add(table);
            }
        }

        return differing == 0 ? null : $"{differing:N0} redundant grain tables differ from those in use.";
    }

    private static long PlaceOf(byte[] directory, int table) =>
        (long)BinaryPrimitives.ReadUInt32LittleEndian(directory.AsSpan(table * L.EntrySize)) * L.SectorSize;

    private Span<byte> EntryBytes(int table, long grain) =>
        Table(table).AsSpan((int)(grain % L.EntriesPerTable) * L.EntrySize, L.EntrySize);

    private byte[] Table(int table)
    {
        if (_cached.TryGetValue(table, out byte[]? bytes))
        {
            return bytes;
        }

        if (_cached.Count >= MaximumCached)
        {
            DropUnchanged();
        }

        bytes = ReadTable(_directory, table);
        _cached.Add(table, bytes);
        return bytes;
    }

    private void DropUnchanged()
    {
        foreach (int table in _cached.Keys.Where(table => !_changed.Contains(table)).ToList())
        {
            _cached.Remove(table);
        }
    }

    private byte[] ReadTable(byte[] directory, int table)
    {
        byte[] bytes = new byte[L.TableLength];
        _file.ReadStructure(PlaceOf(directory, table), bytes, "grain table");
        return bytes;
    }

    private byte[] ReadDirectory(long sector, VmdkSparseHeader header)
    {
        byte[] directory = new byte[header.Tables * L.EntrySize];
        _file.ReadStructure(sector * L.SectorSize, directory, "grain directory");
        return directory;
    }
}
