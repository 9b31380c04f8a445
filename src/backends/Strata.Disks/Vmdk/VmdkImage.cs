using System.Buffers.Binary;
using System.Text;
using Strata.Disks.Blocks;
using Strata.Disks.Images;
using L = Strata.Disks.Vmdk.VmdkLayout;

namespace Strata.Disks.Vmdk;

/// <summary>
/// A VMDK image (VMware's *Virtual Disk Format 5.0*): monolithicSparse, monolithicFlat and other descriptor files with flat, sparse
/// and zero extents beside them, and streamOptimized, which is written from start to end. Images with a parent are refused.
/// </summary>
public sealed class VmdkImage : StoredImage
{
    private readonly ImageFile _file;
    private readonly ByteStore _store;
    private readonly VmdkDescriptor? _descriptor;

    /// <summary>Where the descriptor's text starts; bytes.</summary>
    private readonly long _descriptorStart;

    /// <summary>Whether <see cref="_file"/> is the descriptor alone, which no store closes.</summary>
    private readonly bool _ownsFile;

    /// <summary>1 once the content identifier is a new one.</summary>
    private int _isMarked;

    private VmdkImage(ImageFile file, ByteStore store, VmdkDescriptor? descriptor, long descriptorStart, bool ownsFile)
        : base(file.Path, file.IsReadOnly, store)
    {
        _file = file;
        _store = store;
        _descriptor = descriptor;
        _descriptorStart = descriptorStart;
        _ownsFile = ownsFile;
    }

    /// <inheritdoc/>
    public override string Format => "vmdk";

    /// <summary>Whether a file that starts so is a VMDK image: a sparse extent or a descriptor.</summary>
    /// <param name="firstBytes">The first 21 bytes of the file or more.</param>
    public static bool Probe(ReadOnlySpan<byte> firstBytes) =>
        VmdkSparseHeader.HasMagic(firstBytes) || VmdkDescriptor.IsDescriptor(firstBytes);

    /// <summary>
    /// Creates an image that reads as zeros. The file must not exist, nor the one for the extent of a monolithicFlat image.
    /// </summary>
    /// <param name="sizeInBytes">A positive multiple of 512, at most 2 TiB, without such a limit for monolithicFlat.</param>
    /// <exception cref="DiskImageException">It cannot be created.</exception>
    public static void Create(string path, long sizeInBytes, VmdkOptions? options = null)
    {
        VmdkSubformat subformat = options?.Subformat ?? VmdkSubformat.MonolithicSparse;
        DiskRange.CheckNewSize(path, sizeInBytes, subformat == VmdkSubformat.MonolithicFlat ? 1L << 50 : 2L << 40);
        long sectors = sizeInBytes / L.SectorSize;
        string name = Path.GetFileName(path);
        switch (subformat)
        {
            case VmdkSubformat.MonolithicSparse:
                byte[] sparse = VmdkDescriptor.Create("monolithicSparse", sectors, "SPARSE", name);
                ImageFile.Create(path, file => FillSparse(file, VmdkSparseHeader.ForSparse(sectors), sparse));
                break;
            case VmdkSubformat.StreamOptimized:
                byte[] stream = VmdkDescriptor.Create("streamOptimized", sectors, "SPARSE", name);
                ImageFile.Create(path, file => FillStream(file, VmdkSparseHeader.ForStream(sectors), stream));
                break;
            case VmdkSubformat.MonolithicFlat:
                CreateFlat(path, sizeInBytes);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(options), $"{subformat} is no kind of VMDK image.");
        }
    }

    /// <exception cref="DiskImageException">It is missing, damaged, in use, or of a kind that is not served.</exception>
    public static VmdkImage Open(string path, bool readOnly = false) => Open(ImageFile.Open(path, readOnly));

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        base.Write(offset, buffer);
        MarkChanged();
    }

    /// <inheritdoc/>
    public override void WriteZeros(long offset, long length)
    {
        base.WriteZeros(offset, length);
        MarkChanged();
    }

    /// <inheritdoc/>
    public override void Discard(long offset, long length)
    {
        base.Discard(offset, length);
        MarkChanged();
    }

    /// <inheritdoc/>
    public override void Flush()
    {
        base.Flush();
        if (!IsReadOnly && _ownsFile)
        {
            _file.Flush();
        }
    }

    /// <inheritdoc/>
    public override DiskImageInfo Describe() => new()
    {
        Format = Format,
        Subformat = _descriptor?.CreateType,
        VirtualSize = _store.Length,
        ClusterSize = _store is VmdkGrains grains ? grains.BlockSize : null,
        IsDirty = _store is VmdkGrains { IsUnclean: true } or VmdkStream { IsUnfinished: true },
    };

    /// <inheritdoc/>
    public override DiskCheckReport Check(bool repair) => _store switch
    {
        VmdkGrains grains => grains.Check(repair),
        VmdkStream stream => stream.Check(repair),
        _ => new DiskCheckReport(),
    };

    internal static VmdkImage Open(ImageFile file)
    {
        try
        {
            byte[] start = new byte[Math.Min(file.Length, L.SectorSize)];
            file.Read(0, start);
            if (VmdkSparseHeader.HasMagic(start))
            {
                return OpenSparse(file);
            }

            return VmdkDescriptor.IsDescriptor(start)
                ? OpenDescriptor(file)
                : throw file.Unsupported("it is neither a VMDK extent nor a descriptor", "name its real format");
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        try
        {
            base.Dispose(disposing);
        }
        finally
        {
            if (disposing && _ownsFile)
            {
                _file.Dispose();
            }
        }
    }

    private static VmdkImage OpenSparse(ImageFile file)
    {
        VmdkSparseHeader header = VmdkExtents.ReadHeader(file);
        VmdkDescriptor? descriptor = null;
        if (header.DescriptorOffset > 0)
        {
            byte[] text = new byte[header.DescriptorSize * L.SectorSize];
            file.ReadStructure(header.DescriptorOffset * L.SectorSize, text, "descriptor");
            descriptor = VmdkDescriptor.Parse(text, file);
        }

        return new VmdkImage(
            file, VmdkExtents.OpenSparse(file, header), descriptor, header.DescriptorOffset * L.SectorSize, ownsFile: false);
    }

    private static VmdkImage OpenDescriptor(ImageFile file)
    {
        if (file.Length > VmdkDescriptor.MaximumLength)
        {
            throw file.Unsupported($"its descriptor has {file.Length:N0} bytes", $"shorten it to {VmdkDescriptor.MaximumLength:N0}");
        }

        byte[] text = new byte[file.Length];
        file.Read(0, text);
        VmdkDescriptor descriptor = VmdkDescriptor.Parse(text, file);
        return new VmdkImage(file, VmdkExtents.Open(descriptor, file), descriptor, 0, ownsFile: true);
    }

    private static void FillSparse(ImageFile file, VmdkSparseHeader header, byte[] descriptor)
    {
        file.SetLength(header.OverHead * L.SectorSize);
        FillTables(file, header.RgdOffset, header);
        FillTables(file, (long)header.GdOffset, header);
        WriteStart(file, header, descriptor);
    }

    private static void FillStream(ImageFile file, VmdkSparseHeader header, byte[] descriptor)
    {
        file.SetLength(header.OverHead * L.SectorSize);
        WriteStart(file, header, descriptor);
        VmdkStreamIndex.Read(file, header).Finish();
    }

    private static void WriteStart(ImageFile file, VmdkSparseHeader header, byte[] descriptor)
    {
        if (descriptor.Length > header.DescriptorSize * L.SectorSize)
        {
            throw new DiskImageException($"The image {file.Path} has a name that is too long for its descriptor; choose a shorter one.");
        }

        byte[] first = new byte[L.HeaderLength];
        header.Write(first);
        file.Write(header.DescriptorOffset * L.SectorSize, descriptor);
        file.Write(0, first);
    }

    /// <summary>A directory whose tables follow it; the tables are zeros.</summary>
    private static void FillTables(ImageFile file, long directory, VmdkSparseHeader header)
    {
        byte[] entries = new byte[header.DirectorySectors * L.SectorSize];
        long table = directory + header.DirectorySectors;
        for (int index = 0; index < header.Tables; index++, table += L.TableLength / L.SectorSize)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(entries.AsSpan(index * L.EntrySize), (uint)table);
        }

        file.Write(directory * L.SectorSize, entries);
    }

    private static void CreateFlat(string path, long size)
    {
        string extent = Path.GetFileNameWithoutExtension(path) + "-flat.vmdk";
        byte[] descriptor = VmdkDescriptor.Create("monolithicFlat", size / L.SectorSize, "FLAT", extent);
        string extentPath = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, extent);
        ImageFile.Create(path, file =>
        {
            ImageFile.Create(extentPath, flat => flat.SetLength(size));
            file.Write(0, descriptor);
        });
    }

    /// <summary>Gives the content a new identifier at the first change, so that images that build on it can tell.</summary>
    private void MarkChanged()
    {
        if (_descriptor is { ContentIdOffset: >= 0 } && Interlocked.Exchange(ref _isMarked, 1) == 0)
        {
            _file.Write(_descriptorStart + _descriptor.ContentIdOffset, Encoding.ASCII.GetBytes(VmdkDescriptor.NewContentId()));
        }
    }
}
