using Strata.Core.Storage;

namespace Strata.Devices.Tests.Harness;

/// <summary>A disk in memory, which can fail.</summary>
internal sealed class MemoryDisk(long sectors, bool isReadOnly = false) : IBlockBackend
{
    private const int SectorSize = 512;

    public byte[] Bytes { get; } = new byte[sectors * SectorSize];

    public long Sectors => sectors;

    public bool IsReadOnly => isReadOnly;

    public bool Fails { get; set; }

    public bool IsDisposed { get; private set; }

    public int Flushes { get; private set; }

    public List<(long Offset, long Length)> Discards { get; } = [];

    /// <summary>A sector that a test tells from others by its number.</summary>
    public Span<byte> Sector(long number) => Bytes.AsSpan((int)number * SectorSize, SectorSize);

    /// <summary>Each sector is full of the low byte of its number.</summary>
    public MemoryDisk Numbered()
    {
        for (long i = 0; i < sectors; i++)
        {
            Sector(i).Fill((byte)i);
        }

        return this;
    }

    public void Read(long offset, Span<byte> buffer)
    {
        Check(offset, buffer.Length);
        Bytes.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        Check(offset, buffer.Length);
        if (isReadOnly)
        {
            throw new InvalidOperationException("A disk that cannot be written was written to.");
        }

        buffer.CopyTo(Bytes.AsSpan((int)offset));
    }

    public void Flush() => Flushes++;

    public void Discard(long offset, long length)
    {
        Check(offset, length);
        Discards.Add((offset, length));
    }

    public void WriteZeros(long offset, long length)
    {
        Check(offset, length);
        Bytes.AsSpan((int)offset, (int)length).Clear();
    }

    public void Dispose() => IsDisposed = true;

    /// <summary>What the contract asks of devices is checked: a failure here is a defect of the device.</summary>
    private void Check(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset % SectorSize != 0 || length % SectorSize != 0 || offset + length > Bytes.Length)
        {
            throw new InvalidOperationException($"{length} bytes at {offset} are no sectors of this disk.");
        }

        if (Fails)
        {
            throw new IOException("The disk fails, as the test wants.");
        }
    }
}
