using System.Buffers.Binary;
using System.Text;
using Strata.Disks.Images;
using static Strata.Disks.Qcow2.Qcow2Format;

namespace Strata.Disks.Qcow2;

/// <summary>
/// The header in cluster 0.
/// <code>
///   0 magic (32)            4 version (32)          8 backing_file_offset (64)   16 backing_file_size (32)
///  20 cluster_bits (32)    24 size (64)            32 crypt_method (32)          36 l1_size (32)
///  40 l1_table_offset (64) 48 refcount_table_offset (64)                         56 refcount_table_clusters (32)
///  60 nb_snapshots (32)    64 snapshots_offset (64)                              version 2 ends here
///  72 incompatible_features (64)   80 compatible_features (64)   88 autoclear_features (64)
///  96 refcount_order (32) 100 header_length (32)  104 compression_type (8), seven bytes of padding
/// then header extensions: type (32) length (32) data, padded to 8 bytes; type 0 ends them; then the backing file's name
/// </code>
/// </summary>
internal sealed record Qcow2Header
{
    public const int Version2Length = 72;
    public const int Version3Length = 112;
    private const int OldestVersion3Length = 104; // without the compression type
    private const uint BackingFormatExtension = 0xE2792ACA;
    private const uint FeatureNamesExtension = 0x6803F857;
    public const uint BitmapsExtension = 0x23852875;
    private const int FeatureNameSize = 48;

    public required int Version { get; init; }

    public string? BackingFile { get; init; }

    public string? BackingFormat { get; init; }

    public required int ClusterBits { get; init; }

    /// <summary>Of the disk; bytes.</summary>
    public required long Size { get; init; }

    /// <summary>Entries.</summary>
    public int L1Size { get; init; }

    public long L1Offset { get; init; }

    public long RefcountTableOffset { get; init; }

    public int RefcountTableClusters { get; init; }

    public int SnapshotCount { get; init; }

    public long SnapshotsOffset { get; init; }

    public ulong Incompatible { get; init; }

    public ulong Compatible { get; init; }

    public ulong Autoclear { get; init; }

    /// <summary>Base-2 logarithm of the bits of a reference count, 0..6.</summary>
    public int RefcountOrder { get; init; } = 4;

    /// <summary>What the header has behind the fields that this version of the format names.</summary>
    public byte[] Tail { get; init; } = [];

    /// <summary>Every header extension but the backing format, in the image's order.</summary>
    public IReadOnlyList<(uint Type, byte[] Data)> Extensions { get; init; } = [];

    public int ClusterSize => 1 << ClusterBits;

    public bool IsDirty => (Incompatible & IncompatibleDirty) != 0;

    public bool IsCorrupt => (Incompatible & IncompatibleCorrupt) != 0;

    public bool HasLazyRefcounts => (Compatible & CompatibleLazyRefcounts) != 0;

    private int FixedLength => Version == 2 ? Version2Length : Version3Length + Tail.Length;

    /// <summary>Names of the feature bits that images of ours may have set.</summary>
    public static (uint Type, byte[] Data) FeatureNames()
    {
        (byte Kind, byte Bit, string Name)[] features = [
            (0, 0, "dirty bit"), (0, 1, "corrupt bit"), (0, 3, "compression type"), (1, 0, "lazy refcounts"), (2, 0, "bitmaps")];
        byte[] data = new byte[features.Length * FeatureNameSize];
        for (int i = 0; i < features.Length; i++)
        {
            data[i * FeatureNameSize] = features[i].Kind;
            data[(i * FeatureNameSize) + 1] = features[i].Bit;
            Encoding.ASCII.GetBytes(features[i].Name, data.AsSpan((i * FeatureNameSize) + 2));
        }

        return (FeatureNamesExtension, data);
    }

    /// <param name="start">The file's first cluster, or as much of it as there is.</param>
    /// <exception cref="DiskImageException">It is no header, or one of an image that cannot be opened.</exception>
    public static Qcow2Header Parse(ReadOnlySpan<byte> start, string path)
    {
        if (start.Length < Version2Length || BinaryPrimitives.ReadUInt32BigEndian(start) != Magic)
        {
            throw new DiskImageException($"{path} is no qcow2 image; check the path or state its format.");
        }

        uint version = U32(start, 4);
        uint clusterBits = U32(start, 20);
        uint length = version == 2 ? Version2Length : start.Length >= OldestVersion3Length ? U32(start, 100) : 0;
        if (version is not (2 or 3))
        {
            throw new DiskImageException(
                $"{path} is a qcow image of version {version}; versions 2 and 3 can be read: convert it with qemu-img.");
        }

        if (clusterBits is < SmallestClusterBits or > LargestClusterBits)
        {
            throw Damaged(path, $"clusters of 2^{clusterBits} bytes are outside the format");
        }

        int limit = Math.Min(start.Length, 1 << (int)clusterBits);
        if ((version == 3 && length < OldestVersion3Length) || length > limit || length % 8 != 0)
        {
            throw Damaged(path, $"a header of {length} bytes is impossible");
        }

        if (U32(start, 32) != 0)
        {
            throw new DiskImageException($"{path} is encrypted, which Strata cannot read; decrypt it with qemu-img convert.");
        }

        Qcow2Header header = new()
        {
            Version = (int)version,
            ClusterBits = (int)clusterBits,
            Size = (long)Math.Min(U64(start, 24), long.MaxValue),
            L1Size = (int)Math.Min(U32(start, 36), int.MaxValue),
            L1Offset = Offset(start, 40, path),
            RefcountTableOffset = Offset(start, 48, path),
            RefcountTableClusters = (int)Math.Min(U32(start, 56), int.MaxValue),
            SnapshotCount = (int)Math.Min(U32(start, 60), int.MaxValue),
            SnapshotsOffset = Offset(start, 64, path),
            Incompatible = version == 2 ? 0 : U64(start, 72),
            Compatible = version == 2 ? 0 : U64(start, 80),
            Autoclear = version == 2 ? 0 : U64(start, 88),
            RefcountOrder = version == 2 ? 4 : (int)Math.Min(U32(start, 96), int.MaxValue),
            Tail = length > Version3Length ? start[Version3Length..(int)length].ToArray() : [],
        };
        ulong backingOffset = U64(start, 8);
        uint backingSize = U32(start, 16);
        int compression = length > OldestVersion3Length ? start[OldestVersion3Length] : 0;
        if (backingOffset != 0 && (
            backingOffset < length
                || backingOffset > (ulong)limit
                || backingSize > LargestBackingName
                || backingSize > (ulong)limit - backingOffset))
        {
            throw Damaged(path, "the name of its backing image lies outside the first cluster or is too long");
        }

        header = header.WithExtensions(start[(int)length..(backingOffset != 0 ? (int)backingOffset : limit)], path);
        header.CheckFeatures(compression, path);
        return backingOffset == 0 || backingSize == 0
            ? header
            : header with { BackingFile = Encoding.UTF8.GetString(start.Slice((int)backingOffset, (int)backingSize)) };
    }

    /// <summary>The header of an image that a program writes which does not maintain the features that clear themselves.</summary>
    public Qcow2Header WithoutAutoclear() =>
        this with { Autoclear = 0, Extensions = [.. Extensions.Where(extension => extension.Type != BitmapsExtension)] };

    /// <summary>The bytes that start the file; at most one cluster.</summary>
    /// <exception cref="DiskImageException">The backing image's name and the extensions do not fit.</exception>
    public byte[] Serialize(string path)
    {
        using MemoryStream stream = new();
        byte[] head = new byte[FixedLength];
        stream.Write(head);
        if (BackingFormat is not null)
        {
            WriteExtension(stream, BackingFormatExtension, Encoding.UTF8.GetBytes(BackingFormat));
        }

        foreach ((uint type, byte[] data) in Extensions)
        {
            WriteExtension(stream, type, data);
        }

        stream.Write(new byte[8]);
        long backingOffset = stream.Position;
        byte[] backing = Encoding.UTF8.GetBytes(BackingFile ?? string.Empty);
        stream.Write(backing);
        if (backing.Length > LargestBackingName || stream.Length > ClusterSize)
        {
            throw new DiskImageException(
                $"The name of the backing image does not fit into the header of {path}; use a shorter path or larger clusters.");
        }

        byte[] bytes = stream.ToArray();
        Put32(bytes, 0, Magic);
        Put32(bytes, 4, (uint)Version);
        Put64(bytes, 8, BackingFile is null ? 0 : (ulong)backingOffset);
        Put32(bytes, 16, (uint)backing.Length);
        Put32(bytes, 20, (uint)ClusterBits);
        Put64(bytes, 24, (ulong)Size);
        Put32(bytes, 36, (uint)L1Size);
        Put64(bytes, 40, (ulong)L1Offset);
        Put64(bytes, 48, (ulong)RefcountTableOffset);
        Put32(bytes, 56, (uint)RefcountTableClusters);
        Put32(bytes, 60, (uint)SnapshotCount);
        Put64(bytes, 64, (ulong)SnapshotsOffset);
        if (Version >= 3)
        {
            Put64(bytes, 72, Incompatible);
            Put64(bytes, 80, Compatible);
            Put64(bytes, 88, Autoclear);
            Put32(bytes, 96, (uint)RefcountOrder);
            Put32(bytes, 100, (uint)FixedLength);
            Tail.CopyTo(bytes, Version3Length);
        }

        return bytes;
    }

    private static DiskImageException Damaged(string path, string what) =>
        new($"{path} is a damaged qcow2 image: {what}. Restore it from a copy.");

    private Qcow2Header WithExtensions(ReadOnlySpan<byte> area, string path)
    {
        List<(uint, byte[])> extensions = [];
        string? backingFormat = null;
        while (area.Length >= 8)
        {
            uint type = U32(area, 0);
            uint length = U32(area, 4);
            area = area[8..];
            if (type == 0)
            {
                break;
            }

            if (length > (uint)area.Length)
            {
                throw Damaged(path, "a header extension is longer than the header");
            }

            byte[] data = area[..(int)length].ToArray();
            area = area[Math.Min((int)(length + 7) & ~7, area.Length)..];
            if (type == BackingFormatExtension)
            {
                backingFormat = Encoding.UTF8.GetString(data);
            }
            else
            {
                extensions.Add((type, data));
            }
        }

        return this with { Extensions = extensions, BackingFormat = backingFormat };
    }

    private void CheckFeatures(int compression, string path)
    {
        if ((Incompatible & IncompatibleExtendedL2) != 0)
        {
            throw new DiskImageException(
                $"{path} uses subclusters (extended L2 entries), which Strata cannot read; convert it with qemu-img convert -O qcow2.");
        }

        if ((Incompatible & IncompatibleDataFile) != 0)
        {
            throw new DiskImageException(
                $"{path} keeps its data in another file, which Strata does not follow; convert it with qemu-img convert -O qcow2.");
        }

        if ((Incompatible & IncompatibleCompression) != 0 || compression != 0)
        {
            throw new DiskImageException(
                $"{path} is compressed with {(compression == 1 ? "zstd" : $"method {compression}")}, which Strata cannot read; convert " +
                $"it with qemu-img convert -O qcow2.");
        }

        ulong unknown = Incompatible & ~(IncompatibleDirty | IncompatibleCorrupt);
        if (unknown != 0)
        {
            throw new DiskImageException(
                $"{path} uses features that Strata does not know ({NameFeatures(unknown)}); convert it with the program that made it.");
        }

        if (RefcountOrder > 6)
        {
            throw Damaged(path, $"reference counts of 2^{RefcountOrder} bits are outside the format");
        }
    }

    /// <summary>Names from the image's own table, numbers for what it does not name.</summary>
    private string NameFeatures(ulong bits)
    {
        Dictionary<int, string> names = [];
        foreach ((_, byte[] table) in Extensions.Where(extension => extension.Type == FeatureNamesExtension))
        {
            for (int i = 0; i + FeatureNameSize <= table.Length; i += FeatureNameSize)
            {
                if (table[i] == 0)
                {
                    string name = Encoding.ASCII.GetString(table, i + 2, FeatureNameSize - 2).TrimEnd('\0');
                    names.TryAdd(table[i + 1], string.Concat(name.Where(character => !char.IsControl(character))));
                }
            }
        }

        return string.Join(
            ", ", Enumerable.Range(0, 64).Where(bit => (bits >> bit & 1) != 0).Select(bit => names.GetValueOrDefault(bit, $"bit {bit}")));
    }

    private static void WriteExtension(MemoryStream stream, uint type, byte[] data)
    {
        byte[] head = new byte[8];
        Put32(head, 0, type);
        Put32(head, 4, (uint)data.Length);
        stream.Write(head);
        stream.Write(data);
        stream.Write(new byte[-data.Length & 7]);
    }

    private static uint U32(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32BigEndian(bytes[offset..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt64BigEndian(bytes[offset..]);

    private static long Offset(ReadOnlySpan<byte> bytes, int offset, string path)
    {
        ulong value = U64(bytes, offset);
        return value <= OffsetMask ? (long)value : throw Damaged(path, "a table lies outside any possible file");
    }

    private static void Put32(byte[] bytes, int offset, uint value) => BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(offset), value);

    private static void Put64(byte[] bytes, int offset, ulong value) => BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(offset), value);
}
