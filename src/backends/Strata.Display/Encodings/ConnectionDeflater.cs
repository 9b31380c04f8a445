using System.IO.Compression;

namespace Strata.Display.Encodings;

/// <summary>A zlib stream that a connection carries from rectangle to rectangle, flushed behind each.</summary>
internal sealed class ConnectionDeflater : IDisposable
{
    private readonly MemoryStream _packed = new();
    private readonly ZLibStream _packing;

    public ConnectionDeflater() =>
        _packing = new ZLibStream(_packed, new ZLibCompressionOptions { CompressionLevel = 1 }, leaveOpen: true);

    /// <summary>Packs bytes; the result holds until the next call.</summary>
    public ReadOnlySpan<byte> Pack(ReadOnlySpan<byte> bytes)
    {
        _packed.SetLength(0);
        _packing.Write(bytes);
        _packing.Flush();
        return _packed.GetBuffer().AsSpan(0, (int)_packed.Length);
    }

    public void Dispose() => _packing.Dispose();
}
