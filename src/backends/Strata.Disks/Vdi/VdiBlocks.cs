using System.Buffers.Binary;
using System.Globalization;
using Strata.Disks.Blocks;
using Strata.Disks.Images;
using L = Strata.Disks.Vdi.VdiLayout;

namespace Strata.Disks.Vdi;

/// <summary>
/// The blocks of a VDI image. Other programs place the next block at cBlocksAllocated, so that count may be too high for a while
/// (a block is lost) but never too low (a block would be overwritten): a flush stores it before the entries it covers.
/// </summary>
internal sealed class VdiBlocks : BlockStore
{
    private readonly VdiHeader _header;
    private readonly TableBytes _map;

    /// <summary>Blocks in the file up to the last one that is used: where the file grows.</summary>
    private uint _next;

    /// <summary>cBlocksAllocated as the file states it.</summary>
    private uint _storedCount;

    public VdiBlocks(ImageFile file, VdiHeader header)
        : base(file, header.DiskSize, header.BlockSize)
    {
        _header = header;
        _storedCount = header.BlocksAllocated;
        byte[] map = new byte[header.Blocks * L.EntrySize];
        file.ReadStructure(header.MapOffset, map, "block map");
        _map = new TableBytes(header.MapOffset, map);
        FindEnd();
    }

    public DiskCheckReport Check(bool repair)
    {
        DiskCheckReport report = Check(new BlockLayout(_header.DataOffset, Image.Length, BlockSize), _header.Blocks, repair);
        if (_storedCount == _next)
        {
            return report;
        }

        string line = string.Create(CultureInfo.InvariantCulture, $"The header counts {_storedCount:N0} blocks, and {_next:N0} are used.");
        if (repair && !Image.IsReadOnly)
        {
            Flush();
            return report with { Repairs = [.. report.Repairs, line] };
        }

        return _storedCount > _next
            ? report with { LeakedBytes = Math.Max(report.LeakedBytes, (_storedCount - _next) * BlockSize) }
            : report with { Errors = [.. report.Errors, line + " Another program would place its next block on one of them."] };
    }

    protected override long Locate(long block)
    {
        uint entry = Entry(block);
        return entry >= L.IMAGE_BLOCK_ZERO ? -1 : PlaceOf(entry);
    }

    protected override DiskExtentKind KindWithoutPlace(long block) =>
        Entry(block) == L.IMAGE_BLOCK_ZERO ? DiskExtentKind.Zero : DiskExtentKind.Unallocated;

    protected override long Extend(long block)
    {
        long place = PlaceOf(_next);
        if (Image.Length > place)
        {
            // Left over from a run that stopped before its tables were stored.
            Image.SetLength(place);
        }

        Image.SetLength(place + BlockSize);
        return place;
    }

    protected override void Enter(long block, long place)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_map.Change(block, L.EntrySize), _next);
        _next++;
    }

    protected override void Forget(long block)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_map.Change(block, L.EntrySize), L.IMAGE_BLOCK_FREE);
    }

    protected override void FindEnd()
    {
        _next = 0;
        for (uint block = 0; block < _header.Blocks; block++)
        {
            uint entry = Entry(block);
            if (entry >= L.IMAGE_BLOCK_ZERO)
            {
                continue;
            }

            if (PlaceOf(entry) >= Image.Length)
            {
                RefuseWrites($"block {block:N0} lies past the end of the file");
                continue;
            }

            _next = Math.Max(_next, entry + 1);
        }
    }

    protected override MetadataBatch? TakeChanges()
    {
        MetadataBatch batch = new();
        bool changed = _map.TakeChanges(batch.Tables);
        if (_storedCount != _next)
        {
            byte[] count = new byte[sizeof(uint)];
            BinaryPrimitives.WriteUInt32LittleEndian(count, _next);
            (_next > _storedCount ? batch.WithData : batch.Tables).Add(new MetadataWrite(L.BlocksAllocated, count));
            _storedCount = _next;
            changed = true;
        }

        return changed ? batch : null;
    }

    private uint Entry(long block) => BinaryPrimitives.ReadUInt32LittleEndian(_map.Bytes[((int)block * L.EntrySize)..]);

    private long PlaceOf(uint entry) => _header.DataOffset + (entry * BlockSize);
}
