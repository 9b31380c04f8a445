using System.Buffers.Binary;
using Strata.Disks.Blocks;
using Strata.Disks.Images;
using L = Strata.Disks.Vmdk.VmdkLayout;

namespace Strata.Disks.Vmdk;

/// <summary>
/// The grains of a sparse extent that is not compressed. Grain tables are read when they are first needed. A file that was not
/// closed properly may end in grains that no table knows; they are cut off when it is next written.
/// </summary>
internal sealed class VmdkGrains : BlockStore
{
    private readonly VmdkSparseHeader _header;
    private readonly VmdkGrainTables _tables;
    private bool _isUnclean;

    /// <summary>Whether the end of an unclean file is still to be found.</summary>
    private bool _mustFindEnd;

    public VmdkGrains(ImageFile file, VmdkSparseHeader header)
        : base(file, header.Capacity * L.SectorSize, header.GrainBytes)
    {
        _header = header;
        _tables = new VmdkGrainTables(file, header);
        _isUnclean = header.UncleanShutdown;
        _mustFindEnd = _isUnclean;
    }

    public bool IsUnclean => _isUnclean;

    private long Grains => (_header.Capacity + _header.GrainSize - 1) / _header.GrainSize;

    public DiskCheckReport Check(bool repair)
    {
        DiskCheckReport report = Check(new BlockLayout(_header.OverHead * L.SectorSize, Image.Length, BlockSize), Grains, repair);
        if (_mustFindEnd)
        {
            // A stop may come between a table and its copy; the next write brings them together.
            return report;
        }

        string? difference = _tables.CompareCopies(repair && !Image.IsReadOnly);
        if (difference is null)
        {
            return report;
        }

        if (!repair || Image.IsReadOnly)
        {
            return report with { Errors = [.. report.Errors, difference] };
        }

        Flush();
        return report with { Repairs = [.. report.Repairs, difference] };
    }

    protected override long Locate(long block)
    {
        uint entry = _tables.Entry(block);
        return IsPlace(entry) ? (long)entry * L.SectorSize : -1;
    }

    protected override DiskExtentKind KindWithoutPlace(long block) =>
        _tables.Entry(block) == L.EntryUnallocated ? DiskExtentKind.Unallocated : DiskExtentKind.Zero;

    protected override long Extend(long block)
    {
        _tables.CheckCanSet(block);
        if (_mustFindEnd)
        {
            CutLostGrains();
            _tables.CompareCopies(repair: true);
        }

        if (!_isUnclean)
        {
            Image.Write(L.UncleanShutdown, [1]);
            _isUnclean = true;
        }

        // The last grain of another program may be cut short, and start anywhere.
        long cutShort = Image.Length % BlockSize == 0 ? 0 : BlockSize;
        long place = ((Image.Length + BlockSize - 1) / BlockSize * BlockSize) + cutShort;
        if (place / L.SectorSize > uint.MaxValue)
        {
            throw new DiskImageException($"The image {Image.Path} cannot grow past 2 TiB; move the disk to another format.");
        }

        Image.SetLength(place + BlockSize);
        return place;
    }

    /// <summary>
    /// An image from elsewhere may place a grain on its own header or descriptor, and its guest would then write the names of
    /// extents, which are files of the host.
    /// </summary>
    protected override void BeforeWrite(long block, long place)
    {
        long descriptor = _header.DescriptorOffset * L.SectorSize;
        long descriptorEnd = descriptor + (_header.DescriptorSize * L.SectorSize);
        if (place < L.HeaderLength || (place < descriptorEnd && place + BlockSize > descriptor))
        {
            throw Image.Damaged($"grain {block:N0} lies on its header or its descriptor");
        }
    }

    protected override void Enter(long block, long place) => _tables.Set(block, (uint)(place / L.SectorSize));

    protected override void Forget(long block) => _tables.Set(block, L.EntryUnallocated);

    protected override void FindEnd()
    {
        // Grains are appended to the file whatever the tables say.
    }

    protected override MetadataBatch? TakeChanges()
    {
        MetadataBatch batch = new();
        return _tables.TakeChanges(batch.Tables) ? batch : null;
    }

    protected override void Close()
    {
        if (_isUnclean && !_mustFindEnd)
        {
            Image.Write(L.UncleanShutdown, [0]);
            Image.Flush();
            _isUnclean = false;
        }
    }

    private bool IsPlace(uint entry) =>
        entry != L.EntryUnallocated && !(entry == L.EntryZeroed && (_header.Flags & L.FlagZeroedGrains) != 0);

    private void CutLostGrains()
    {
        long end = Math.Max(_header.OverHead * L.SectorSize, _tables.End);
        end = Math.Max(end, (_header.DescriptorOffset + _header.DescriptorSize) * L.SectorSize);
        for (long grain = 0; grain < Grains; grain++)
        {
            long place = Locate(grain);
            end = place < Image.Length ? Math.Max(end, place + BlockSize) : end;
        }

        if (Image.Length > end)
        {
            Image.SetLength(end);
        }

        _mustFindEnd = false;
    }
}
