using System.Buffers.Binary;
using Strata.Disks.Blocks;
using Strata.Disks.Images;
using L = Strata.Disks.Vhd.VhdLayout;

namespace Strata.Disks.Vhd;

/// <summary>
/// The blocks of a dynamic VHD image. A new block takes the place of the footer, which moves behind it; until it has, the copy at
/// the start of the file stands for it. New blocks are entered with a full sector bitmap over zeros, as other programs do, and
/// blocks of other programs whose bitmap is not full are brought to that state before they are written.
/// </summary>
internal sealed class VhdBlocks : BlockStore
{
    /// <summary>New blocks' data starts at multiples of this, the page size of usual hosts.</summary>
    private const int DataAlignment = 4096;

    private readonly VhdDynamicHeader _header;
    private readonly byte[] _footer;
    private readonly TableBytes _table;
    private readonly long _firstBlock;

    /// <summary>One for a block whose sectors are all known to be written. Set once, from any thread.</summary>
    private readonly byte[] _full;

    /// <summary>Blocks whose bitmap in the file is not full although all their sectors hold data now.</summary>
    private readonly List<long> _filled = [];

    /// <summary>Where the last block that is used ends.</summary>
    private long _end;

    private bool _footerIsMissing;

    /// <param name="footer">The 512 bytes that end the file.</param>
    public VhdBlocks(ImageFile file, VhdFooter facts, VhdDynamicHeader header, byte[] footer, bool footerIsMissing)
        : base(file, facts.Size, header.BlockSize)
    {
        _header = header;
        _footer = footer;
        _footerIsMissing = footerIsMissing;
        _firstBlock = Math.Max(header.TableOffset + header.TableLength, (long)facts.DataOffset + L.DynamicHeaderLength);
        byte[] table = new byte[header.Entries * L.EntrySize];
        file.ReadStructure(header.TableOffset, table, "block allocation table");
        _table = new TableBytes(header.TableOffset, table);
        _full = new byte[header.Entries];
        FindEnd();
    }

    public bool FooterIsMissing => _footerIsMissing;

    public DiskCheckReport Check(bool repair)
    {
        BlockLayout layout = new(_firstBlock + _header.BitmapLength, Image.Length, _header.BitmapLength + BlockSize);
        return Check(layout, _header.Entries, repair);
    }

    /// <returns>Where the data starts, behind the bitmap.</returns>
    protected override long Locate(long block)
    {
        uint entry = BinaryPrimitives.ReadUInt32BigEndian(_table.Bytes[((int)block * L.EntrySize)..]);
        return entry == L.UnusedEntry ? -1 : ((long)entry * L.SectorSize) + _header.BitmapLength;
    }

    protected override long Extend(long block)
    {
        long place = (_end + _header.BitmapLength + DataAlignment - 1) & -DataAlignment;
        if ((place - _header.BitmapLength) / L.SectorSize >= L.UnusedEntry)
        {
            throw new DiskImageException($"The image {Image.Path} cannot grow past 2 TiB; move the disk to the format VHDX.");
        }

        if (Image.Length > _end)
        {
            // The footer, and what a run left over that stopped before its table was stored.
            _footerIsMissing = true;
            Image.SetLength(_end);
        }

        Image.SetLength(place + BlockSize);
        WriteFooter(place + BlockSize);
        byte[] bitmap = new byte[_header.BitmapLength];
        bitmap.AsSpan().Fill(0xFF);
        Image.Write(place - bitmap.Length, bitmap);
        return place;
    }

    protected override void Enter(long block, long place)
    {
        uint sector = (uint)((place - _header.BitmapLength) / L.SectorSize);
        BinaryPrimitives.WriteUInt32BigEndian(_table.Change(block, L.EntrySize), sector);
        _full[block] = 1;
        _end = place + BlockSize;
    }

    protected override void Forget(long block)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_table.Change(block, L.EntrySize), L.UnusedEntry);
    }

    protected override void FindEnd()
    {
        _end = _firstBlock;
        for (uint block = 0; block < _header.Entries; block++)
        {
            long place = Locate(block);
            if (place < 0)
            {
                continue;
            }

            if (place >= Image.Length || place - _header.BitmapLength < _firstBlock)
            {
                RefuseWrites($"block {block:N0} lies at byte {place:N0}, past the end of the file or on its tables");
                continue;
            }

            _end = Math.Max(_end, place + BlockSize);
        }
    }

    protected override MetadataBatch? TakeChanges()
    {
        if (_footerIsMissing)
        {
            Image.SetLength(_end);
            WriteFooter(_end);
        }

        MetadataBatch batch = new();
        bool changed = _table.TakeChanges(batch.Tables) || _filled.Count > 0;
        foreach (long block in _filled)
        {
            byte[] bitmap = new byte[_header.BitmapLength];
            bitmap.AsSpan().Fill(0xFF);
            batch.Tables.Add(new MetadataWrite(Locate(block) - bitmap.Length, bitmap));
        }

        _filled.Clear();
        return changed ? batch : null;
    }

    protected override void BeforeWrite(long block, long place)
    {
        if (_full[block] != 0)
        {
            return;
        }

        byte[] bitmap = ReadBitmap(place);
        if (bitmap.AsSpan().ContainsAnyExcept((byte)0xFF))
        {
            for (int sector = 0; sector < BlockSize / L.SectorSize; sector++)
            {
                if (!IsWritten(bitmap, sector))
                {
                    Image.WriteZeros(place + (sector * L.SectorSize), L.SectorSize);
                }
            }

            _filled.Add(block);
        }

        _full[block] = 1;
    }

    protected override void ReadBlock(long block, long place, long within, Span<byte> buffer)
    {
        base.ReadBlock(block, place, within, buffer);
        if (_full[block] != 0)
        {
            return;
        }

        byte[] bitmap = ReadBitmap(place);
        if (!bitmap.AsSpan().ContainsAnyExcept((byte)0xFF))
        {
            _full[block] = 1;
            return;
        }

        int first = (int)(within / L.SectorSize);
        for (int index = 0; index < buffer.Length / L.SectorSize; index++)
        {
            if (!IsWritten(bitmap, first + index))
            {
                buffer.Slice(index * L.SectorSize, L.SectorSize).Clear();
            }
        }
    }

    private static bool IsWritten(ReadOnlySpan<byte> bitmap, int sector) => (bitmap[sector >> 3] & (0x80 >> (sector & 7))) != 0;

    private byte[] ReadBitmap(long place)
    {
        byte[] bitmap = new byte[_header.BitmapLength];
        Image.Read(place - bitmap.Length, bitmap);
        return bitmap;
    }

    private void WriteFooter(long offset)
    {
        Image.Write(offset, _footer);
        _footerIsMissing = false;
    }
}
