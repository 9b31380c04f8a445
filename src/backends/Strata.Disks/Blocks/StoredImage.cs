using Strata.Disks.Images;

namespace Strata.Disks.Blocks;

/// <summary>An image whose bytes a store finds: checks what callers ask and passes it on. Safe on any thread.</summary>
public abstract class StoredImage : DiskImage
{
    private readonly string _path;
    private readonly ByteStore _store;
    private int _isDisposed;

    /// <param name="path">For messages.</param>
    private protected StoredImage(string path, bool readOnly, ByteStore store)
    {
        _path = path;
        _store = store;
        IsReadOnly = readOnly;
    }

    /// <inheritdoc/>
    public override long Sectors => _store.Length / DiskRange.SectorSize;

    /// <inheritdoc/>
    public override bool IsReadOnly { get; }

    /// <inheritdoc/>
    public override void Read(long offset, Span<byte> buffer)
    {
        DiskRange.Check(offset, buffer.Length, _store.Length);
        _store.Read(offset, buffer);
    }

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        CheckWrite(offset, buffer.Length);
        _store.Write(offset, buffer);
    }

    /// <inheritdoc/>
    public override void WriteZeros(long offset, long length)
    {
        CheckWrite(offset, length);
        _store.WriteZeros(offset, length);
    }

    /// <inheritdoc/>
    public override void Discard(long offset, long length)
    {
        CheckWrite(offset, length);
        _store.Discard(offset, length);
    }

    /// <inheritdoc/>
    public override void Flush()
    {
        if (!IsReadOnly)
        {
            _store.Flush();
        }
    }

    /// <inheritdoc/>
    public override DiskExtent Map(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfZero(length);
        DiskRange.Check(offset, length, _store.Length);
        return _store.Map(offset, length);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            _store.Dispose();
        }
    }

    private void CheckWrite(long offset, long length)
    {
        DiskRange.Check(offset, length, _store.Length);
        if (IsReadOnly)
        {
            throw new DiskImageException($"The image {_path} is open for reading only; open it for writing, or convert it to a kind that can be written.");
        }
    }
}
