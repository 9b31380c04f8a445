using System.Buffers.Binary;
using Strata.Core.Sharing;

namespace Strata.Virtio.FileSystem;

/// <summary>The answer to one request, behind its header.</summary>
internal sealed class FuseReply
{
    /// <summary>Bytes; folders are read in pieces of this size at most.</summary>
    public const int Capacity = 64 << 10;

    private readonly byte[] _bytes = new byte[Capacity];

    /// <summary>How long the guest may use names and attributes without asking.</summary>
    public TimeSpan Validity { get; init; }

    public int Length { get; private set; }

    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, Length);

    public void Clear() => Length = 0;

    /// <summary>Room for the next <paramref name="size"/> bytes, cleared.</summary>
    public Span<byte> Add(int size)
    {
        Span<byte> span = _bytes.AsSpan(Length, size);
        span.Clear();
        Length += size;
        return span;
    }

    public void Add(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Add(bytes.Length));

    /// <summary>Takes the end back.</summary>
    public void Cut(int length) => Length = length;

    /// <summary>struct fuse_entry_out.</summary>
    public void AddEntry(in FileEntry entry)
    {
        Span<byte> at = Add(FuseProtocol.EntrySize);
        BinaryPrimitives.WriteUInt64LittleEndian(at, entry.Node);
        BinaryPrimitives.WriteUInt64LittleEndian(at[8..], entry.Generation);
        PutValidity(at[16..], at[32..]);
        PutValidity(at[24..], at[36..]);
        PutAttributes(at[40..], entry.Attributes);
    }

    /// <summary>struct fuse_attr_out.</summary>
    public void AddAttributes(in NodeAttributes attributes)
    {
        Span<byte> at = Add(16 + FuseProtocol.AttributesSize);
        PutValidity(at, at[8..]);
        PutAttributes(at[16..], attributes);
    }

    /// <summary>struct fuse_open_out.</summary>
    public void AddHandle(ulong handle, uint flags)
    {
        Span<byte> at = Add(16);
        BinaryPrimitives.WriteUInt64LittleEndian(at, handle);
        BinaryPrimitives.WriteUInt32LittleEndian(at[8..], flags);
    }

    public void AddNumber(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Add(8), value);

    /// <summary>struct fuse_statfs_out.</summary>
    public void AddSpace(in FileSystemSpace space)
    {
        Span<byte> at = Add(80);
        BinaryPrimitives.WriteUInt64LittleEndian(at, space.Blocks);
        BinaryPrimitives.WriteUInt64LittleEndian(at[8..], space.FreeBlocks);
        BinaryPrimitives.WriteUInt64LittleEndian(at[16..], space.AvailableBlocks);
        BinaryPrimitives.WriteUInt64LittleEndian(at[24..], space.Files);
        BinaryPrimitives.WriteUInt64LittleEndian(at[32..], space.FreeFiles);
        BinaryPrimitives.WriteUInt32LittleEndian(at[40..], space.BlockSize);
        BinaryPrimitives.WriteUInt32LittleEndian(at[44..], space.LongestName);
        BinaryPrimitives.WriteUInt32LittleEndian(at[48..], space.FragmentSize);
    }

    /// <summary>struct fuse_dirent with its name, padded to eight bytes.</summary>
    public void AddFolderName(in FolderName entry, ReadOnlySpan<byte> name)
    {
        Span<byte> at = Add(SizeOf(name));
        BinaryPrimitives.WriteUInt64LittleEndian(at, entry.Inode);
        BinaryPrimitives.WriteUInt64LittleEndian(at[8..], entry.Offset);
        BinaryPrimitives.WriteInt32LittleEndian(at[16..], name.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(at[20..], entry.Type);
        name.CopyTo(at[FuseProtocol.FolderNameSize..]);
    }

    public static int SizeOf(ReadOnlySpan<byte> name) => (FuseProtocol.FolderNameSize + name.Length + 7) & ~7;

    private void PutValidity(Span<byte> seconds, Span<byte> nanoseconds)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(seconds, (ulong)Validity.TotalSeconds);
        BinaryPrimitives.WriteUInt32LittleEndian(nanoseconds, (uint)(Validity.Ticks % TimeSpan.TicksPerSecond * 100));
    }

    /// <summary>struct fuse_attr.</summary>
    private static void PutAttributes(Span<byte> at, in NodeAttributes attributes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(at, attributes.Inode);
        BinaryPrimitives.WriteUInt64LittleEndian(at[8..], attributes.Size);
        BinaryPrimitives.WriteUInt64LittleEndian(at[16..], attributes.Blocks);
        BinaryPrimitives.WriteInt64LittleEndian(at[24..], attributes.AccessTime.Seconds);
        BinaryPrimitives.WriteInt64LittleEndian(at[32..], attributes.ModificationTime.Seconds);
        BinaryPrimitives.WriteInt64LittleEndian(at[40..], attributes.ChangeTime.Seconds);
        BinaryPrimitives.WriteUInt32LittleEndian(at[48..], attributes.AccessTime.Nanoseconds);
        BinaryPrimitives.WriteUInt32LittleEndian(at[52..], attributes.ModificationTime.Nanoseconds);
        BinaryPrimitives.WriteUInt32LittleEndian(at[56..], attributes.ChangeTime.Nanoseconds);
        BinaryPrimitives.WriteUInt32LittleEndian(at[60..], attributes.Mode);
        BinaryPrimitives.WriteUInt32LittleEndian(at[64..], attributes.Links);
        BinaryPrimitives.WriteUInt32LittleEndian(at[68..], attributes.UserId);
        BinaryPrimitives.WriteUInt32LittleEndian(at[72..], attributes.GroupId);
        BinaryPrimitives.WriteUInt32LittleEndian(at[76..], attributes.Device);
        BinaryPrimitives.WriteUInt32LittleEndian(at[80..], attributes.BlockSize);
    }
}
