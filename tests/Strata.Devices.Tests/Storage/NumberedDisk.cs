using Strata.Core.Storage;

namespace Strata.Devices.Tests.Storage;

/// <summary>A disk in memory whose sectors have their number in each byte, and that remembers what was asked of it.</summary>
internal sealed class NumberedDisk(int sectors, bool isReadOnly = false) : IBlockBackend
{
    public byte[] Bytes { get; } = [.. Enumerable.Range(0, sectors * 512).Select(at => (byte)(at / 512))];

    public int Flushes { get; private set; }

    public List<(long Offset, long Length)> Discarded { get; } = [];

    public bool IsDisposed { get; private set; }

    /// <summary>Every request fails.</summary>
    public bool IsBroken { get; set; }

    public long Sectors => Bytes.Length / 512;

    public bool IsReadOnly => isReadOnly;

    public void Read(long offset, Span<byte> buffer)
    {
        Check(offset, buffer.Length);
        Bytes.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        Check(offset, buffer.Length);
        Assert.False(isReadOnly);
        buffer.CopyTo(Bytes.AsSpan((int)offset));
    }

    public void Flush()
    {
        Check(0, 0);
        Flushes++;
    }

    public void Discard(long offset, long length)
    {
        Check(offset, length);
        Discarded.Add((offset, length));
    }

    public void WriteZeros(long offset, long length) => Discard(offset, length);

    public void Dispose() => IsDisposed = true;

    /// <summary>The contract of backends: whole sectors inside the disk.</summary>
    private void Check(long offset, long length)
    {
        Assert.True(
            offset >= 0 && length >= 0 && offset % 512 == 0 && length % 512 == 0 && offset + length <= Bytes.Length, $"{offset}+{length}");
        if (IsBroken)
        {
            throw new IOException("It is broken.");
        }
    }
}
