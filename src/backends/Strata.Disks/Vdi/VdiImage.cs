using System.Buffers.Binary;
using Strata.Disks.Blocks;
using Strata.Disks.Images;
using L = Strata.Disks.Vdi.VdiLayout;

namespace Strata.Disks.Vdi;

/// <summary>A VirtualBox disk image, dynamic or fixed; without parent (VirtualBox's VDICore.h, version 1.1).</summary>
public sealed class VdiImage : StoredImage
{
    private readonly VdiHeader _header;
    private readonly VdiBlocks _blocks;

    private VdiImage(ImageFile file, VdiHeader header, VdiBlocks blocks)
        : base(file.Path, file.IsReadOnly, blocks)
    {
        _header = header;
        _blocks = blocks;
    }

    /// <inheritdoc/>
    public override string Format => "vdi";

    /// <summary>Whether a file that starts so is a VDI image.</summary>
    /// <param name="firstBytes">The first 68 bytes of the file or more.</param>
    public static bool Probe(ReadOnlySpan<byte> firstBytes) => VdiHeader.HasSignature(firstBytes);

    /// <summary>Creates an image that reads as zeros. The file must not exist.</summary>
    /// <param name="sizeInBytes">A positive multiple of 512, at most 16 TiB.</param>
    /// <exception cref="DiskImageException">It cannot be created.</exception>
    public static void Create(string path, long sizeInBytes, VdiOptions? options = null)
    {
        DiskRange.CheckNewSize(path, sizeInBytes, (long)VdiHeader.MaximumBlocks * VdiHeader.DefaultBlockSize);
        VdiHeader header = VdiHeader.ForNew(sizeInBytes, options?.Fixed ?? false);
        ImageFile.Create(path, file => Fill(file, header));
    }

    /// <exception cref="DiskImageException">It is missing, damaged, in use, or of a kind that is not served.</exception>
    public static VdiImage Open(string path, bool readOnly = false) => Open(ImageFile.Open(path, readOnly));

    /// <inheritdoc/>
    public override DiskImageInfo Describe() => new()
    {
        Format = Format,
        Subformat = _header.IsFixed ? "fixed" : "dynamic",
        VirtualSize = _header.DiskSize,
        ClusterSize = _header.BlockSize,
    };

    /// <inheritdoc/>
    public override DiskCheckReport Check(bool repair) => _blocks.Check(repair);

    internal static VdiImage Open(ImageFile file)
    {
        try
        {
            byte[] first = new byte[VdiHeader.Length];
            file.ReadStructure(0, first, "header");
            VdiHeader header = VdiHeader.Parse(first, file);
            return new VdiImage(file, header, new VdiBlocks(file, header));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static void Fill(ImageFile file, VdiHeader header)
    {
        byte[] first = new byte[VdiHeader.Length];
        header.Write(first);

        byte[] map = new byte[header.Blocks * L.EntrySize];
        for (int block = 0; block < header.Blocks; block++)
        {
            uint entry = header.IsFixed ? (uint)block : L.IMAGE_BLOCK_FREE;
            BinaryPrimitives.WriteUInt32LittleEndian(map.AsSpan(block * L.EntrySize), entry);
        }

        file.SetLength(header.DataOffset + ((long)header.BlocksAllocated * header.BlockSize));
        file.Write(header.MapOffset, map);
        file.Write(0, first);
    }
}
