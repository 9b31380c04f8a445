using System.Buffers.Binary;
using Strata.Disks.Images;

namespace Strata.Disks.Qcow2;

/// <summary>
/// The tables of one kind that were used last, each a cluster of the file. Changes stay here until they are written. Guarded by the
/// image's lock.
/// </summary>
internal sealed class Qcow2TableCache
{
    private const int SectorMask = 511;
    private const int LeastTables = 4;

    private readonly ImageFile _file;
    private readonly int _tableSize;
    private readonly int _capacity;
    private readonly Action _writeBack;
    private readonly Dictionary<long, LinkedListNode<Table>> _tables = [];
    private readonly LinkedList<Table> _byUse = [];

    /// <param name="tableSize">Bytes; the cluster size.</param>
    /// <param name="budget">Bytes of memory; at least four tables are kept.</param>
    /// <param name="writeBack">Called when every table has changes and room is needed; must write them.</param>
    public Qcow2TableCache(ImageFile file, int tableSize, int budget, Action writeBack)
    {
        _file = file;
        _tableSize = tableSize;
        _capacity = Math.Max(LeastTables, budget / tableSize);
        _writeBack = writeBack;
    }

    public bool IsDirty { get; private set; }

    /// <summary>An entry of a table of 64-bit entries.</summary>
    public ulong ReadEntry(long table, int index) => BinaryPrimitives.ReadUInt64BigEndian(Get(table).AsSpan(index * Qcow2Format.EntrySize));

    public void WriteEntry(long table, int index, ulong entry)
    {
        BinaryPrimitives.WriteUInt64BigEndian(Get(table).AsSpan(index * Qcow2Format.EntrySize), entry);
        MarkDirty(table, index * Qcow2Format.EntrySize, Qcow2Format.EntrySize);
    }

    /// <summary>The bytes of a table, valid until the next call. Whoever changes them calls <see cref="MarkDirty"/> before another call.</summary>
    public byte[] Get(long offset)
    {
        if (_tables.TryGetValue(offset, out LinkedListNode<Table>? node))
        {
            _byUse.Remove(node);
            _byUse.AddFirst(node);
            return node.Value.Bytes;
        }

        byte[] bytes = MakeRoom();
        _file.Read(offset, bytes);
        Insert(new Table(offset, bytes));
        return bytes;
    }

    /// <summary>Starts a table in a cluster whose old content does not matter.</summary>
    /// <param name="content">Null for zeros.</param>
    public void Add(long offset, ReadOnlySpan<byte> content)
    {
        Drop(offset);
        byte[] copy = content.IsEmpty ? [] : content.ToArray(); // it may be a table of this cache that gives its place
        byte[] bytes = MakeRoom();
        if (content.IsEmpty)
        {
            bytes.AsSpan().Clear();
        }
        else
        {
            copy.CopyTo(bytes, 0);
        }

        Insert(new Table(offset, bytes));
        MarkDirty(offset, 0, _tableSize);
    }

    public void MarkDirty(long offset, int start, int length)
    {
        Table table = _tables[offset].Value;
        table.DirtyStart = Math.Min(table.DirtyStart, start & ~SectorMask);
        table.DirtyEnd = Math.Max(table.DirtyEnd, (start + length + SectorMask) & ~SectorMask);
        IsDirty = true;
    }

    /// <summary>Writes what changed, without flushing the file.</summary>
    public void Write()
    {
        if (!IsDirty)
        {
            return;
        }

        foreach (Table table in _byUse)
        {
            if (table.IsDirty)
            {
                _file.Write(table.Offset + table.DirtyStart, table.Bytes.AsSpan(table.DirtyStart..table.DirtyEnd));
                table.DirtyStart = int.MaxValue;
                table.DirtyEnd = 0;
            }
        }

        IsDirty = false;
    }

    /// <summary>Forgets a table with its changes: its cluster is no table any more.</summary>
    public void Drop(long offset)
    {
        if (_tables.Remove(offset, out LinkedListNode<Table>? node))
        {
            _byUse.Remove(node);
        }
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        _tables.Clear();
        _byUse.Clear();
        IsDirty = false;
    }

    /// <returns>A buffer for one more table, perhaps of one that was given up.</returns>
    private byte[] MakeRoom()
    {
        if (_tables.Count < _capacity)
        {
            return new byte[_tableSize];
        }

        LinkedListNode<Table>? clean = FindClean();
        if (clean is null)
        {
            _writeBack();
            clean = FindClean() ?? throw new InvalidOperationException("Writing back left every table changed.");
        }

        _byUse.Remove(clean);
        _tables.Remove(clean.Value.Offset);
        return clean.Value.Bytes;
    }

    private LinkedListNode<Table>? FindClean()
    {
        LinkedListNode<Table>? node = _byUse.Last;
        while (node is not null && node.Value.IsDirty)
        {
            node = node.Previous;
        }

        return node;
    }

    private void Insert(Table table) => _tables[table.Offset] = _byUse.AddFirst(table);

    private sealed class Table(long offset, byte[] bytes)
    {
        public long Offset { get; } = offset;

        public byte[] Bytes { get; } = bytes;

        public int DirtyStart { get; set; } = int.MaxValue;

        public int DirtyEnd { get; set; }

        public bool IsDirty => DirtyEnd != 0;
    }
}
