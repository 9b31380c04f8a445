using Strata.Disks.Images;

namespace Strata.Disks.Blocks;

/// <summary>Bytes that are zeros and stay so.</summary>
internal sealed class ZeroStore(long length) : ByteStore
{
    public override long Length { get; } = length;

    public override void Read(long offset, Span<byte> buffer) => buffer.Clear();

    public override void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        if (buffer.ContainsAnyExcept((byte)0))
        {
            throw new DiskImageException(
                "This part of the disk is an extent of type ZERO, which holds no data; convert the image to write there.");
        }
    }

    public override void WriteZeros(long offset, long length)
    {
    }

    public override void Discard(long offset, long length)
    {
    }

    public override DiskExtent Map(long offset, long length) => new(length, DiskExtentKind.Zero);

    public override void Flush()
    {
    }

    protected override void Dispose(bool disposing)
    {
    }
}
