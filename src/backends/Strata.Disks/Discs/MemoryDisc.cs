using Strata.Core.Storage;

namespace Strata.Disks.Discs;

/// <summary>A disk that cannot be written, whose bytes are in memory. Safe on any thread.</summary>
/// <param name="content">A multiple of 512 bytes, which nobody changes.</param>
public sealed class MemoryDisc(ReadOnlyMemory<byte> content) : IBlockBackend
{
    private const int SectorSize = 512;

    /// <inheritdoc/>
    public long Sectors => content.Length / SectorSize;

    /// <inheritdoc/>
    public bool IsReadOnly => true;

    /// <inheritdoc/>
    public void Read(long offset, Span<byte> buffer) => content.Span.Slice(checked((int)offset), buffer.Length).CopyTo(buffer);

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> buffer) => throw Refuse();

    /// <inheritdoc/>
    public void Flush()
    {
        // Nothing was written.
    }

    /// <inheritdoc/>
    public void Discard(long offset, long length) => throw Refuse();

    /// <inheritdoc/>
    public void WriteZeros(long offset, long length) => throw Refuse();

    /// <inheritdoc/>
    public void Dispose()
    {
        // The bytes are the collector's.
    }

    private static InvalidOperationException Refuse() => new("The disc cannot be written.");
}
