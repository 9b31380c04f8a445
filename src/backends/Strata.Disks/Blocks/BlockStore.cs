using System.Globalization;
using Strata.Disks.Images;

namespace Strata.Disks.Blocks;

/// <summary>
/// A disk cut into equal blocks, each of which lies somewhere in the image file or nowhere (zeros). A block that has a place keeps
/// it: there is no freeing, a discarded range becomes a hole in the host file. Two consequences carry the design:
/// <list type="bullet">
/// <item>Data of placed blocks is read and written without a lock.</item>
/// <item>New table entries stay in memory until a flush. The flush makes the new blocks durable, then writes the entries, then makes
/// those durable. Whenever the process or the host stops, each entry in the file refers to a block whose content had arrived.</item>
/// </list>
/// Lock order: <c>_committing</c>, then <c>_metadata</c>.
/// </summary>
internal abstract class BlockStore : ByteStore
{
    /// <summary>Held by the one thread that flushes.</summary>
    private readonly Lock _committing = new();

    /// <summary>Guards the tables and the place where the file grows.</summary>
    private readonly Lock _metadata = new();

    /// <summary>Set when tables were taken for writing but did not arrive: the tables in memory and in the file differ for good.</summary>
    private volatile Exception? _lost;

    /// <summary>What forbids writing; null for a sound image.</summary>
    private volatile string? _damage;

    private bool _closed;

    /// <param name="length">Bytes of the disk.</param>
    /// <param name="blockSize">Bytes.</param>
    protected BlockStore(ImageFile file, long length, long blockSize)
    {
        Image = file;
        Length = length;
        BlockSize = blockSize;
    }

    public override long Length { get; }

    /// <summary>Bytes.</summary>
    public long BlockSize { get; }

    protected ImageFile Image { get; }

    public override void Read(long offset, Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            long within = offset % BlockSize;
            int count = (int)Math.Min(buffer.Length, BlockSize - within);
            long place = Find(offset / BlockSize);
            if (place < 0)
            {
                buffer[..count].Clear();
            }
            else
            {
                ReadBlock(offset / BlockSize, place, within, buffer[..count]);
            }

            buffer = buffer[count..];
            offset += count;
        }
    }

    public override void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        ThrowIfNotWritable();
        while (!buffer.IsEmpty)
        {
            long within = offset % BlockSize;
            int count = (int)Math.Min(buffer.Length, BlockSize - within);
            WritePiece(offset / BlockSize, within, buffer[..count]);
            buffer = buffer[count..];
            offset += count;
        }
    }

    public override void WriteZeros(long offset, long length)
    {
        ThrowIfNotWritable();
        ForEachPlaced(offset, length, Image.WriteZeros);
    }

    public override void Discard(long offset, long length)
    {
        ThrowIfNotWritable();
        ForEachPlaced(offset, length, Image.Discard);
    }

    public override DiskExtent Map(long offset, long length)
    {
        DiskExtentKind kind = KindOf(offset / BlockSize);
        long end = Math.Min(offset + length, NextBlock(offset));
        while (end < offset + length && KindOf(end / BlockSize) == kind)
        {
            end = Math.Min(offset + length, NextBlock(end));
        }

        return new DiskExtent(end - offset, kind);
    }

    public override void Flush()
    {
        ThrowIfLost();
        lock (_committing)
        {
            Commit();
        }
    }

    /// <summary>Where a block lies. Under the metadata lock.</summary>
    /// <returns>Byte offset in the file, or negative for a block without a place.</returns>
    protected abstract long Locate(long block);

    /// <summary>What a block without a place reads as. Under the metadata lock.</summary>
    protected virtual DiskExtentKind KindWithoutPlace(long block) => DiskExtentKind.Unallocated;

    /// <summary>
    /// Extends the file by a block of zeros, not yet in any table: it may be lost again when the write that needs it fails.
    /// Under the metadata lock.
    /// </summary>
    /// <returns>Byte offset in the file.</returns>
    protected abstract long Extend(long block);

    /// <summary>Enters a block that <see cref="Extend"/> placed into the table in memory. Under the metadata lock.</summary>
    protected abstract void Enter(long block, long place);

    /// <summary>Copies what changed in the tables since the last call; null when nothing did. Under the metadata lock.</summary>
    protected abstract MetadataBatch? TakeChanges();

    /// <summary>Writes the tables; what they refer to is durable.</summary>
    protected virtual void WriteTables(MetadataBatch batch)
    {
        foreach (MetadataWrite write in batch.Tables)
        {
            Image.Write(write.Offset, write.Bytes);
        }
    }

    /// <summary>Called under the metadata lock before a block that has a place is written in part or whole.</summary>
    protected virtual void BeforeWrite(long block, long place)
    {
    }

    /// <summary>Reads from a block that has a place. Without a lock.</summary>
    protected virtual void ReadBlock(long block, long place, long within, Span<byte> buffer) => Image.Read(place + within, buffer);

    /// <summary>Called once when the image closes, after the last flush: for marks such as "closed properly".</summary>
    protected virtual void Close()
    {
    }

    /// <summary>Removes a block from the table in memory: it lies where no data can be. Under the metadata lock.</summary>
    protected abstract void Forget(long block);

    /// <summary>
    /// Finds where the file grows, and calls <see cref="RefuseWrites"/> for blocks that lie outside the file. Under the metadata
    /// lock, or before anybody else knows the store.
    /// </summary>
    protected abstract void FindEnd();

    /// <summary>Says that some blocks lie outside the file: reading the others goes on, writing would make it worse.</summary>
    protected void RefuseWrites(FormattableString damage) => _damage ??= damage.ToString(CultureInfo.InvariantCulture);

    /// <summary>Looks at the place of every block.</summary>
    /// <param name="layout">Where blocks may lie.</param>
    /// <param name="blocks">Blocks of the disk.</param>
    /// <param name="reserved">What lies between the blocks: places and lengths.</param>
    protected DiskCheckReport Check(BlockLayout layout, long blocks, bool repair, params ReadOnlySpan<(long Place, long Length)> reserved)
    {
        BlockCheck check = new(layout);
        foreach ((long place, long length) in reserved)
        {
            check.Reserve(place, length);
        }

        lock (_metadata)
        {
            for (long block = 0; block < blocks; block++)
            {
                long place = Locate(block);
                if (place >= 0 && !check.Add(block, place) && repair && !Image.IsReadOnly)
                {
                    Forget(block);
                    check.AddRepair(block);
                }
            }

            if (check.RepairCount > 0)
            {
                _damage = null;
                FindEnd();
            }
        }

        if (check.RepairCount > 0)
        {
            Flush();
        }

        return check.Finish();
    }

    protected override void Dispose(bool disposing)
    {
        if (!disposing || _closed)
        {
            return;
        }

        _closed = true;
        try
        {
            if (!Image.IsReadOnly && _lost is null)
            {
                Flush();
                Close();
            }
        }
        finally
        {
            Image.Dispose();
        }
    }

    private void Commit()
    {
        MetadataBatch? batch;
        lock (_metadata)
        {
            // Nothing was changed in a damaged image, and nothing may be cut from it.
            batch = _damage is null ? TakeChanges() : null;
        }

        if (batch is null)
        {
            Image.Flush();
            return;
        }

        try
        {
            foreach (MetadataWrite write in batch.WithData)
            {
                Image.Write(write.Offset, write.Bytes);
            }

            Image.Flush();
            WriteTables(batch);
            Image.Flush();
        }
        catch (Exception error)
        {
            _lost = error;
            throw;
        }
    }

    private void WritePiece(long block, long within, ReadOnlySpan<byte> piece)
    {
        long place;
        lock (_metadata)
        {
            place = Locate(block);
            if (place < 0)
            {
                // Zeros into a block that reads as zeros change nothing.
                if (piece.ContainsAnyExcept((byte)0))
                {
                    place = Extend(block);
                    Image.Write(place + within, piece);
                    Enter(block, place);
                }

                return;
            }

            CheckInside(block, place);
            BeforeWrite(block, place);
        }

        Image.Write(place + within, piece);
    }

    private void ForEachPlaced(long offset, long length, Action<long, long> action)
    {
        for (long end = offset + length; offset < end;)
        {
            long next = Math.Min(end, NextBlock(offset));
            long place = Find(offset / BlockSize, toWrite: true);
            if (place >= 0)
            {
                action(place + (offset % BlockSize), next - offset);
            }

            offset = next;
        }
    }

    private long Find(long block, bool toWrite = false)
    {
        lock (_metadata)
        {
            long place = Locate(block);
            if (place >= 0)
            {
                CheckInside(block, place);
                if (toWrite)
                {
                    BeforeWrite(block, place);
                }
            }

            return place;
        }
    }

    private DiskExtentKind KindOf(long block)
    {
        lock (_metadata)
        {
            return Locate(block) >= 0 ? DiskExtentKind.Data : KindWithoutPlace(block);
        }
    }

    private long NextBlock(long offset) => ((offset / BlockSize) + 1) * BlockSize;

    private void CheckInside(long block, long place)
    {
        if (place >= Image.Length)
        {
            throw Image.Damaged($"block {block:N0} lies at byte {place:N0}, past the end of the file");
        }
    }

    private void ThrowIfNotWritable()
    {
        if (_damage is { } damage)
        {
            throw Image.Damaged($"{damage}, so it can only be read");
        }

        ThrowIfLost();
    }

    private void ThrowIfLost()
    {
        if (_lost is { } error)
        {
            string cause = $"The tables of {Image.Path} could not be stored earlier ({error.Message}), so nothing more is written";
            throw new DiskImageException($"{cause}; close the image and check the host's disk.", error);
        }
    }
}
