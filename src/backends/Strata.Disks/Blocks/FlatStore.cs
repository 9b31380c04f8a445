using Strata.Disks.Images;

namespace Strata.Disks.Blocks;

/// <summary>Bytes that lie in one piece in a file.</summary>
internal sealed class FlatStore : ByteStore
{
    private readonly ImageFile _file;
    private readonly long _start;

    /// <param name="start">Bytes from the start of the file.</param>
    /// <param name="length">Bytes; the whole range lies inside the file.</param>
    public FlatStore(ImageFile file, long start, long length)
    {
        if (start < 0 || length < 0 || start > file.Length - length)
        {
            throw file.Damaged($"its data of {length:N0} bytes from byte {start:N0} does not fit the file of {file.Length:N0} bytes");
        }

        _file = file;
        _start = start;
        Length = length;
    }

    public override long Length { get; }

    public override void Read(long offset, Span<byte> buffer) => _file.Read(_start + offset, buffer);

    public override void Write(long offset, ReadOnlySpan<byte> buffer) => _file.Write(_start + offset, buffer);

    public override void WriteZeros(long offset, long length) => _file.WriteZeros(_start + offset, length);

    public override void Discard(long offset, long length) => _file.Discard(_start + offset, length);

    public override DiskExtent Map(long offset, long length) => new(length, DiskExtentKind.Data);

    public override void Flush() => _file.Flush();

    protected override void Dispose(bool disposing)
    {
        if (!disposing)
        {
            return;
        }

        try
        {
            if (!_file.IsReadOnly)
            {
                _file.Flush();
            }
        }
        finally
        {
            _file.Dispose();
        }
    }
}
