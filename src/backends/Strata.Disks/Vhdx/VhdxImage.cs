using System.Buffers.Binary;
using System.Text;
using Strata.Disks.Blocks;
using Strata.Disks.Images;
using L = Strata.Disks.Vhdx.VhdxLayout;

namespace Strata.Disks.Vhdx;

/// <summary>A VHDX image, fixed or dynamic (*[MS-VHDX]: Virtual Hard Disk v2 (VHDX) File Format*). Differencing ones are refused.</summary>
public sealed class VhdxImage : StoredImage
{
    private readonly VhdxMetadata _metadata;
    private readonly VhdxBlocks _blocks;

    /// <summary>Whether there was something to replay, and it is not stored because the file is open for reading.</summary>
    private readonly bool _isDirty;

    private VhdxImage(ImageFile file, VhdxMetadata metadata, VhdxBlocks blocks, bool isDirty)
        : base(file.Path, file.IsReadOnly, blocks)
    {
        _metadata = metadata;
        _blocks = blocks;
        _isDirty = isDirty;
    }

    /// <inheritdoc/>
    public override string Format => "vhdx";

    /// <summary>Whether a file that starts so is a VHDX image.</summary>
    /// <param name="firstBytes">The first 8 bytes of the file or more.</param>
    public static bool Probe(ReadOnlySpan<byte> firstBytes) => firstBytes.StartsWith(L.FileSignature);

    /// <summary>Creates an image that reads as zeros. The file must not exist.</summary>
    /// <param name="sizeInBytes">A positive multiple of 512, at most 64 TB.</param>
    /// <exception cref="DiskImageException">It cannot be created.</exception>
    public static void Create(string path, long sizeInBytes, VhdxOptions? options = null)
    {
        DiskRange.CheckNewSize(path, sizeInBytes, VhdxMetadata.MaximumSize);
        VhdxMetadata metadata = VhdxMetadata.ForNew(sizeInBytes, options?.Fixed ?? false);
        ImageFile.Create(path, file => Fill(file, metadata));
    }

    /// <summary>Opens an image. The log of one that was not closed properly is replayed, in memory when it is opened for reading.</summary>
    /// <exception cref="DiskImageException">It is missing, damaged, in use, or of a kind that is not served.</exception>
    public static VhdxImage Open(string path, bool readOnly = false) => Open(ImageFile.Open(path, readOnly));

    /// <inheritdoc/>
    public override DiskImageInfo Describe() => new()
    {
        Format = Format,
        Subformat = _metadata.IsFixed ? "fixed" : "dynamic",
        VirtualSize = _metadata.Size,
        ClusterSize = _metadata.BlockSize,
        IsDirty = _isDirty,
    };

    /// <inheritdoc/>
    public override DiskCheckReport Check(bool repair) => _blocks.Check(repair);

    internal static VhdxImage Open(ImageFile file)
    {
        try
        {
            return Read(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static VhdxImage Read(ImageFile file)
    {
        byte[] signature = new byte[L.FileSignature.Length];
        file.ReadStructure(0, signature, "file type identifier");
        if (!Probe(signature))
        {
            throw file.Unsupported("it has no VHDX signature", "name its real format");
        }

        VhdxHeader header = VhdxHeader.Read(file);
        VhdxReplay replay = VhdxLogReader.Read(file, header);
        bool isDirty = !replay.IsEmpty;

        // Everything is looked at before the replay changes the file.
        VhdxRegions regions = VhdxRegions.Read(file, replay, header);
        VhdxMetadata metadata = VhdxMetadata.Read(file, replay, regions.Metadata);
        if (!file.IsReadOnly && header.LogGuid != Guid.Empty)
        {
            replay.Apply(file);
            header = (header with { LogGuid = Guid.Empty }).Next();
            header.Write(file);
            file.Flush();
            isDirty = false;
        }

        return new VhdxImage(file, metadata, new VhdxBlocks(file, header, replay, regions, metadata), isDirty);
    }

    private static void Fill(ImageFile file, VhdxMetadata metadata)
    {
        long tableBytes = metadata.BatEntries * L.BatEntrySize;
        uint batLength = (uint)((tableBytes + L.OneMegabyte - 1) & -L.OneMegabyte);
        VhdxHeader header = VhdxHeader.ForNew();
        VhdxRegion items = new(header.LogOffset + header.LogLength, L.OneMegabyte);
        VhdxRegions regions = new(new VhdxRegion(items.End, batLength), items);

        file.SetLength(regions.Bat.End + (metadata.IsFixed ? metadata.Blocks * metadata.BlockSize : 0));
        if (metadata.IsFixed)
        {
            file.Write(regions.Bat.Offset, FullTable(metadata, regions.Bat.End));
        }

        file.Write(items.Offset, metadata.ToBytes());
        file.Write(L.RegionTable1Offset, regions.ToBytes());
        file.Write(L.RegionTable2Offset, regions.ToBytes());
        header.Write(file);
        header.Next().Write(file);

        byte[] identifier = new byte[512];
        L.FileSignature.CopyTo(identifier);
        Encoding.Unicode.GetBytes("Strata", identifier.AsSpan(L.CreatorOffset));
        file.Write(0, identifier);
    }

    /// <returns>The BAT of a disk whose blocks all have their places, one after the other.</returns>
    private static byte[] FullTable(VhdxMetadata metadata, long firstBlock)
    {
        byte[] table = new byte[metadata.BatEntries * L.BatEntrySize];
        for (long block = 0; block < metadata.Blocks; block++)
        {
            long index = block + (block / metadata.ChunkRatio);
            ulong entry = (ulong)(firstBlock + (block * metadata.BlockSize)) | L.PAYLOAD_BLOCK_FULLY_PRESENT;
            BinaryPrimitives.WriteUInt64LittleEndian(table.AsSpan((int)(index * L.BatEntrySize)), entry);
        }

        return table;
    }
}
