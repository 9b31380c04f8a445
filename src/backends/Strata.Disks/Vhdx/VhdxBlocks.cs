using System.Buffers.Binary;
using Strata.Disks.Blocks;
using Strata.Disks.Images;
using L = Strata.Disks.Vhdx.VhdxLayout;

namespace Strata.Disks.Vhdx;

/// <summary>
/// The payload blocks of a VHDX file. Changes of the BAT go through the log: new blocks are made durable, then the log entry, then
/// the BAT. Before the first change of a run the header gets new write identifiers, and the log's name once it has an entry.
/// </summary>
internal sealed class VhdxBlocks : BlockStore
{
    private readonly VhdxMetadata _metadata;
    private readonly VhdxRegions _regions;
    private readonly TableBytes _bat;
    private readonly VhdxLogWriter _log;

    private VhdxHeader _header;

    /// <summary>Where the last block or region that is used ends.</summary>
    private long _end;

    /// <summary>Whether the header says that this run changes the file.</summary>
    private bool _isMarked;

    /// <param name="replay">What the log says, when the file was not closed properly.</param>
    public VhdxBlocks(ImageFile file, VhdxHeader header, VhdxReplay replay, VhdxRegions regions, VhdxMetadata metadata)
        : base(file, metadata.Size, metadata.BlockSize)
    {
        _header = header;
        _regions = regions;
        _metadata = metadata;
        _log = new VhdxLogWriter(file, header);
        long length = ((metadata.BatEntries * L.BatEntrySize) + L.PageSize - 1) / L.PageSize * L.PageSize;
        if (length > regions.Bat.Length)
        {
            throw file.Damaged($"its block allocation table of {regions.Bat.Length:N0} bytes is too short for its disk");
        }

        byte[] bat = new byte[length];
        replay.ReadStructure(file, regions.Bat.Offset, bat, "block allocation table");
        _bat = new TableBytes(regions.Bat.Offset, bat);
        FindEnd();
    }

    public DiskCheckReport Check(bool repair) => Check(
        new BlockLayout(L.OneMegabyte, Image.Length, BlockSize), _metadata.Blocks, repair,
        (_header.LogOffset, _header.LogLength), (_regions.Bat.Offset, _regions.Bat.Length),
        (_regions.Metadata.Offset, _regions.Metadata.Length));

    protected override long Locate(long block)
    {
        ulong entry = Entry(block);
        return (entry & L.BatStateMask) == L.PAYLOAD_BLOCK_FULLY_PRESENT ? PlaceOf(entry) : -1;
    }

    protected override DiskExtentKind KindWithoutPlace(long block) =>
        (Entry(block) & L.BatStateMask) == L.PAYLOAD_BLOCK_NOT_PRESENT ? DiskExtentKind.Unallocated : DiskExtentKind.Zero;

    protected override void BeforeWrite(long block, long place) => MarkChanged();

    protected override long Extend(long block)
    {
        MarkChanged();
        long place = (_end + L.OneMegabyte - 1) & -L.OneMegabyte;
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
        ulong entry = ((ulong)place >> L.BatOffsetShift << L.BatOffsetShift) | L.PAYLOAD_BLOCK_FULLY_PRESENT;
        BinaryPrimitives.WriteUInt64LittleEndian(_bat.Change(EntryIndex(block), L.BatEntrySize), entry);
        _end = place + BlockSize;
    }

    protected override void Forget(long block)
    {
        MarkChanged();
        BinaryPrimitives.WriteUInt64LittleEndian(_bat.Change(EntryIndex(block), L.BatEntrySize), L.PAYLOAD_BLOCK_NOT_PRESENT);
    }

    protected override void FindEnd()
    {
        _end = Math.Max(_header.LogOffset + _header.LogLength, Math.Max(_regions.Bat.End, _regions.Metadata.End));
        for (long block = 0; block < _metadata.Blocks; block++)
        {
            ulong entry = Entry(block);
            ulong state = entry & L.BatStateMask;
            if (state is not (<= L.PAYLOAD_BLOCK_UNMAPPED or L.PAYLOAD_BLOCK_FULLY_PRESENT))
            {
                throw Image.Damaged($"block {block:N0} has the state {state}, which a disk without parent cannot have");
            }

            // A block that is unmapped may keep its place.
            long place = PlaceOf(entry);
            if (state == L.PAYLOAD_BLOCK_FULLY_PRESENT && (place >= Image.Length || LiesOnMetadata(place)))
            {
                RefuseWrites($"block {block:N0} lies at byte {place:N0}, past the end of the file or on its metadata");
            }
            else if (place > 0 && place < Image.Length)
            {
                _end = Math.Max(_end, place + BlockSize);
            }
        }
    }

    protected override MetadataBatch? TakeChanges()
    {
        MetadataBatch batch = new();
        return _bat.TakeChanges(batch.Tables) ? batch : null;
    }

    protected override void WriteTables(MetadataBatch batch)
    {
        foreach (MetadataWrite[] pages in batch.Tables.Chunk(VhdxLogWriter.MaximumPages))
        {
            _log.Write(pages);
            Image.Flush();
            if (_header.LogGuid != _log.LogGuid)
            {
                WriteHeader(_header with { LogGuid = _log.LogGuid });
            }

            foreach (MetadataWrite page in pages)
            {
                Image.Write(page.Offset, page.Bytes);
            }

            // The log entry may be overwritten only when what it says is in place.
            Image.Flush();
        }
    }

    protected override void Close()
    {
        if (_header.LogGuid != Guid.Empty)
        {
            WriteHeader(_header with { LogGuid = Guid.Empty });
        }
    }

    private static long PlaceOf(ulong entry) => (long)(entry >> L.BatOffsetShift) << L.BatOffsetShift;

    private long EntryIndex(long block) => block + (block / _metadata.ChunkRatio);

    private ulong Entry(long block) => BinaryPrimitives.ReadUInt64LittleEndian(_bat.Bytes[(int)(EntryIndex(block) * L.BatEntrySize)..]);

    private bool LiesOnMetadata(long place)
    {
        VhdxRegion block = new(place, (uint)BlockSize);
        VhdxRegion log = new(_header.LogOffset, (uint)_header.LogLength);
        return place < L.OneMegabyte || block.Overlaps(_regions.Bat) || block.Overlaps(_regions.Metadata) || block.Overlaps(log);
    }

    private void MarkChanged()
    {
        if (!_isMarked)
        {
            WriteHeader(_header with { FileWriteGuid = Guid.NewGuid(), DataWriteGuid = Guid.NewGuid() });
            _isMarked = true;
        }
    }

    private void WriteHeader(VhdxHeader header)
    {
        header = header.Next();
        header.Write(Image);
        Image.Flush();
        _header = header;
    }
}
