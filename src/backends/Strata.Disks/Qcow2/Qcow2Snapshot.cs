using System.Buffers.Binary;
using System.Text;
using Strata.Disks.Images;
using static Strata.Disks.Qcow2.Qcow2Format;

namespace Strata.Disks.Qcow2;

/// <summary>
/// An entry of the snapshot table.
/// <code>
///  0 l1_table_offset (64)   8 l1_size (32)   12 id_str_size (16)  14 name_size (16)   16 date_sec (32)   20 date_nsec (32)
/// 24 vm_clock_nsec (64)    32 vm_state_size (32)   36 extra_data_size (32)
/// 40 extra data: vm_state_size (64), disk_size (64), icount (64), further; then id, name; padded to 8 bytes
/// </code>
/// </summary>
internal sealed record Qcow2Snapshot
{
    private const int FixedSize = 40;
    private const int LargestExtra = 1024;

    public required long L1Offset { get; init; }

    public required int L1Size { get; init; }

    public required string Id { get; init; }

    public required string Name { get; init; }

    public required uint Seconds { get; init; }

    public uint Nanoseconds { get; init; }

    public ulong ClockNanoseconds { get; init; }

    public uint StateSize { get; init; }

    /// <summary>Kept as it is: the full size of a machine's state, the disk's size, and what later versions add.</summary>
    public required byte[] Extra { get; init; }

    /// <summary>Size of the disk when it was taken, bytes; null where the image does not say.</summary>
    public long? DiskSize => Extra.Length >= 16 ? (long)Math.Min(BinaryPrimitives.ReadUInt64BigEndian(Extra.AsSpan(8)), long.MaxValue) : null;

    /// <summary>Reads and validates the table that a header names.</summary>
    /// <returns>Snapshots, oldest first, and the bytes that the table takes.</returns>
    public static (IReadOnlyList<Qcow2Snapshot> Snapshots, int TableLength) ReadTable(Qcow2File file)
    {
        int count = file.Header.SnapshotCount;
        if (count == 0)
        {
            return ([], 0);
        }

        long available = Math.Min(LargestSnapshotTable, file.File.Length - file.Header.SnapshotsOffset);
        byte[] table = new byte[available];
        file.File.Read(file.Header.SnapshotsOffset, table);
        List<Qcow2Snapshot> snapshots = [];
        int place = 0;
        for (int i = 0; i < count; i++)
        {
            place = (place + 7) & ~7;
            Qcow2Snapshot snapshot = Parse(table.AsSpan(Math.Min(place, table.Length)), out int length, file, i);
            snapshots.Add(snapshot);
            place += length;
        }

        return (snapshots, place);
    }

    public static byte[] Serialize(IReadOnlyList<Qcow2Snapshot> snapshots)
    {
        using MemoryStream stream = new();
        byte[] head = new byte[FixedSize];
        foreach (Qcow2Snapshot snapshot in snapshots)
        {
            stream.Write(new byte[(int)(-stream.Length & 7)]);
            byte[] id = Encoding.UTF8.GetBytes(snapshot.Id);
            byte[] name = Encoding.UTF8.GetBytes(snapshot.Name);
            BinaryPrimitives.WriteInt64BigEndian(head, snapshot.L1Offset);
            BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(8), snapshot.L1Size);
            BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(12), (ushort)id.Length);
            BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(14), (ushort)name.Length);
            BinaryPrimitives.WriteUInt32BigEndian(head.AsSpan(16), snapshot.Seconds);
            BinaryPrimitives.WriteUInt32BigEndian(head.AsSpan(20), snapshot.Nanoseconds);
            BinaryPrimitives.WriteUInt64BigEndian(head.AsSpan(24), snapshot.ClockNanoseconds);
            BinaryPrimitives.WriteUInt32BigEndian(head.AsSpan(32), snapshot.StateSize);
            BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(36), snapshot.Extra.Length);
            stream.Write(head);
            stream.Write(snapshot.Extra);
            stream.Write(id);
            stream.Write(name);
        }

        stream.Write(new byte[(int)(-stream.Length & 7)]);
        return stream.ToArray();
    }

    public DiskSnapshotInfo Describe(long diskSize) =>
        new(Id, Name, DateTimeOffset.FromUnixTimeSeconds(Seconds).AddTicks(Nanoseconds / 100), DiskSize ?? diskSize);

    private static Qcow2Snapshot Parse(ReadOnlySpan<byte> bytes, out int length, Qcow2File file, int index)
    {
        if (bytes.Length < FixedSize)
        {
            throw Damaged(file, index, "lies outside the table");
        }

        long l1Offset = (long)Math.Min(BinaryPrimitives.ReadUInt64BigEndian(bytes), long.MaxValue);
        uint l1Size = BinaryPrimitives.ReadUInt32BigEndian(bytes[8..]);
        int idLength = BinaryPrimitives.ReadUInt16BigEndian(bytes[12..]);
        int nameLength = BinaryPrimitives.ReadUInt16BigEndian(bytes[14..]);
        uint extraLength = BinaryPrimitives.ReadUInt32BigEndian(bytes[36..]);
        if (extraLength > LargestExtra || idLength > LargestSnapshotName || nameLength > LargestSnapshotName
            || FixedSize + (int)extraLength + idLength + nameLength > bytes.Length)
        {
            throw Damaged(file, index, "has impossible lengths");
        }

        if (l1Size > LargestL1 / EntrySize || !file.IsInside(l1Offset, l1Size * EntrySize))
        {
            throw Damaged(file, index, "has an L1 table outside the file");
        }

        int text = FixedSize + (int)extraLength;
        length = text + idLength + nameLength;
        return new Qcow2Snapshot
        {
            L1Offset = l1Offset,
            L1Size = (int)l1Size,
            Id = Encoding.UTF8.GetString(bytes.Slice(text, idLength)),
            Name = Encoding.UTF8.GetString(bytes.Slice(text + idLength, nameLength)),
            Seconds = BinaryPrimitives.ReadUInt32BigEndian(bytes[16..]),
            Nanoseconds = Math.Min(BinaryPrimitives.ReadUInt32BigEndian(bytes[20..]), 999_999_999),
            ClockNanoseconds = BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]),
            StateSize = BinaryPrimitives.ReadUInt32BigEndian(bytes[32..]),
            Extra = bytes.Slice(FixedSize, (int)extraLength).ToArray(),
        };
    }

    private static DiskImageException Damaged(Qcow2File file, int index, string what) =>
        new($"{file.Path} is a damaged qcow2 image: snapshot {index} {what}. Restore it from a copy.");
}
