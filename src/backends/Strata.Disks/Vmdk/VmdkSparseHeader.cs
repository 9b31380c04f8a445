using System.Buffers.Binary;
using System.Numerics;
using Strata.Disks.Images;
using L = Strata.Disks.Vmdk.VmdkLayout;

namespace Strata.Disks.Vmdk;

/// <summary>The checked header, or footer, of a sparse extent. Offsets and sizes are sectors.</summary>
internal readonly record struct VmdkSparseHeader
{
    /// <summary>Tables of the largest extent that is read: 32 TiB with the usual grains.</summary>
    public const long MaximumTables = 1 << 20;

    private const int SmallestGrain = 8;
    private const int LargestGrain = 4096;
    private const long MaximumDescriptor = 2048;

    public uint Version { get; init; }

    public uint Flags { get; init; }

    public long Capacity { get; init; }

    public int GrainSize { get; init; }

    public long DescriptorOffset { get; init; }

    public long DescriptorSize { get; init; }

    /// <summary>0 for none.</summary>
    public long RgdOffset { get; init; }

    /// <summary><see cref="VmdkLayout.GD_AT_END"/>, or sectors.</summary>
    public ulong GdOffset { get; init; }

    public long OverHead { get; init; }

    public bool UncleanShutdown { get; init; }

    public bool IsCompressed => (Flags & L.FlagCompressed) != 0;

    /// <summary>Grain tables, and entries of a grain directory.</summary>
    public int Tables => (int)((Capacity + SectorsPerTable - 1) / SectorsPerTable);

    /// <summary>Sectors of a grain directory.</summary>
    public int DirectorySectors => ((Tables * L.EntrySize) + L.SectorSize - 1) / L.SectorSize;

    public int GrainBytes => GrainSize * L.SectorSize;

    private long SectorsPerTable => (long)L.EntriesPerTable * GrainSize;

    /// <summary>The header of a new extent whose tables all lie before its grains.</summary>
    public static VmdkSparseHeader ForSparse(long capacity)
    {
        VmdkSparseHeader header = new()
        {
            Version = 1,
            Flags = L.FlagNewLineTest | L.FlagRedundantTables,
            Capacity = capacity,
            GrainSize = L.DefaultGrainSectors,
            DescriptorOffset = 1,
            DescriptorSize = L.EmbeddedDescriptorSectors,
            RgdOffset = 1 + L.EmbeddedDescriptorSectors,
        };
        long copy = header.DirectorySectors + ((long)header.Tables * L.TableLength / L.SectorSize);
        long end = header.RgdOffset + (2 * copy);
        return header with
        {
            GdOffset = (ulong)(header.RgdOffset + copy),
            OverHead = (end + header.GrainSize - 1) / header.GrainSize * header.GrainSize,
        };
    }

    /// <summary>The header of a new stream-optimized extent.</summary>
    public static VmdkSparseHeader ForStream(long capacity) => new()
    {
        Version = 3,
        Flags = L.FlagNewLineTest | L.FlagCompressed | L.FlagMarkers,
        Capacity = capacity,
        GrainSize = L.DefaultGrainSectors,
        DescriptorOffset = 1,
        DescriptorSize = L.EmbeddedDescriptorSectors,
        GdOffset = L.GD_AT_END,
        OverHead = L.DefaultGrainSectors,
    };

    public static bool HasMagic(ReadOnlySpan<byte> header) => header.StartsWith(L.Magic);

    public static VmdkSparseHeader Parse(ReadOnlySpan<byte> bytes, ImageFile file)
    {
        if (!HasMagic(bytes))
        {
            throw file.Damaged("a header of its sparse extent does not start with KDMV");
        }

        uint version = BinaryPrimitives.ReadUInt32LittleEndian(bytes[L.Version..]);
        if (version is 0 or > 3)
        {
            throw file.Unsupported($"its VMDK version is {version}", "convert it to version 1");
        }

        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(bytes[L.Flags..]);
        if ((flags & L.FlagNewLineTest) != 0 && !bytes[L.NewLineTest..].StartsWith(L.NewLineCharacters))
        {
            throw file.Damaged("its new line characters were changed, as a transfer in text mode does; transfer it again in binary mode");
        }

        ushort algorithm = BinaryPrimitives.ReadUInt16LittleEndian(bytes[L.CompressAlgorithm..]);
        bool isCompressed = (flags & L.FlagCompressed) != 0;
        if (isCompressed && (algorithm != L.COMPRESSION_DEFLATE || (flags & L.FlagMarkers) == 0))
        {
            throw file.Unsupported(
                $"its grains are compressed with algorithm {algorithm}, or lack markers", "convert it to monolithicSparse");
        }

        return ParseSizes(bytes, version, flags, file);
    }

    /// <summary>Fills a sector that is zeros.</summary>
    public void Write(Span<byte> bytes)
    {
        L.Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[L.Version..], Version);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[L.Flags..], Flags);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[L.Capacity..], Capacity);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[L.GrainSize..], GrainSize);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[L.DescriptorOffset..], DescriptorOffset);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[L.DescriptorSize..], DescriptorSize);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[L.NumGtesPerGt..], L.EntriesPerTable);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[L.RgdOffset..], RgdOffset);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[L.GdOffset..], GdOffset);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[L.OverHead..], OverHead);
        L.NewLineCharacters.CopyTo(bytes[L.NewLineTest..]);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[L.CompressAlgorithm..], IsCompressed ? L.COMPRESSION_DEFLATE : (ushort)0);
    }

    private static VmdkSparseHeader ParseSizes(ReadOnlySpan<byte> bytes, uint version, uint flags, ImageFile file)
    {
        ulong grain = BinaryPrimitives.ReadUInt64LittleEndian(bytes[L.GrainSize..]);
        uint entries = BinaryPrimitives.ReadUInt32LittleEndian(bytes[L.NumGtesPerGt..]);
        if (!BitOperations.IsPow2(grain) || grain is < SmallestGrain or > LargestGrain || entries != L.EntriesPerTable)
        {
            throw file.Unsupported(
                $"it has grains of {grain:N0} sectors and tables of {entries:N0} entries", "convert it to grains of 128 sectors");
        }

        ulong capacity = BinaryPrimitives.ReadUInt64LittleEndian(bytes[L.Capacity..]);
        if (capacity == 0 || capacity > (ulong)MaximumTables * L.EntriesPerTable * grain)
        {
            throw file.Unsupported($"its sparse extent states {capacity:N0} sectors", "split the disk, or restore the image from a copy");
        }

        long descriptor = BinaryPrimitives.ReadInt64LittleEndian(bytes[L.DescriptorOffset..]);
        long descriptorSize = BinaryPrimitives.ReadInt64LittleEndian(bytes[L.DescriptorSize..]);
        long fileSectors = (file.Length + L.SectorSize - 1) / L.SectorSize;
        long redundant = (flags & L.FlagRedundantTables) != 0 ? BinaryPrimitives.ReadInt64LittleEndian(bytes[L.RgdOffset..]) : 0;
        ulong directory = BinaryPrimitives.ReadUInt64LittleEndian(bytes[L.GdOffset..]);
        long overHead = BinaryPrimitives.ReadInt64LittleEndian(bytes[L.OverHead..]);
        bool directoryIsInside = directory == L.GD_AT_END || directory < (ulong)fileSectors;
        if (descriptor < 0
            || descriptor >= fileSectors
            || descriptorSize is < 0 or > MaximumDescriptor
            || redundant < 0
            || redundant >= fileSectors
            || !directoryIsInside || overHead < 0 || overHead > fileSectors)
        {
            throw file.Damaged("its sparse header places the descriptor, a grain directory or the first grain outside the file");
        }

        return new VmdkSparseHeader
        {
            Version = version,
            Flags = flags,
            Capacity = (long)capacity,
            GrainSize = (int)grain,
            DescriptorOffset = descriptor,
            DescriptorSize = descriptorSize,
            RgdOffset = redundant,
            GdOffset = directory,
            OverHead = overHead,
            UncleanShutdown = bytes[L.UncleanShutdown] != 0,
        };
    }
}
