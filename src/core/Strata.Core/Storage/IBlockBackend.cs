namespace Strata.Core.Storage;

/// <summary>
/// What a virtual disk keeps its sectors in. Calls come from a device's worker threads, never from a vCPU, possibly several at once
/// on different sectors. Failures are <see cref="IOException"/>s.
/// </summary>
public interface IBlockBackend : IDisposable
{
    /// <summary>Size in sectors of 512 bytes.</summary>
    long Sectors { get; }

    bool IsReadOnly { get; }

    /// <param name="offset">Bytes; a multiple of 512, as is the buffer's length; both inside the disk.</param>
    void Read(long offset, Span<byte> buffer);

    /// <inheritdoc cref="Read"/>
    void Write(long offset, ReadOnlySpan<byte> buffer);

    /// <summary>Returns when everything written before is on stable storage.</summary>
    void Flush();

    /// <summary>The content of the range may be forgotten; it reads as zeros or as before.</summary>
    void Discard(long offset, long length);

    /// <summary>The range reads as zeros from now on; its space may be given back.</summary>
    /// <param name="offset">Bytes; a multiple of 512, as is the length; both inside the disk.</param>
    /// <param name="length">Bytes.</param>
    void WriteZeros(long offset, long length);
}
