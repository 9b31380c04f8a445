using System.Buffers;
using Strata.Core.Posix;

namespace Strata.Core.Memory;

/// <summary>
/// Bytes outside of the managed heap, zeros at first: large ones that are needed for a moment leave nothing behind, where an array stays
/// until a full collection finds it. Not to be used any more once it is disposed, nor are spans of it.
/// </summary>
public sealed unsafe class HostBuffer : MemoryManager<byte>
{
    private readonly int _length;
    private byte* _base;

    /// <param name="length">Bytes.</param>
    /// <exception cref="InsufficientMemoryException">The host has no memory left.</exception>
    public HostBuffer(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        _length = length;

        // SAFETY: released in Dispose; every access is bounded by the length.
        _base = (byte*)HostMapping.Reserve(MappedSize);
    }

    private ulong MappedSize => (ulong)Math.Max(_length, 1);

    public override Span<byte> GetSpan()
    {
        ObjectDisposedException.ThrowIf(_base == null, this);

        // SAFETY: mapped until it is disposed.
        return new Span<byte>(_base, _length);
    }

    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ObjectDisposedException.ThrowIf(_base == null, this);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)_length, nameof(elementIndex));

        // SAFETY: it never moves.
        return new MemoryHandle(_base + elementIndex, pinnable: this);
    }

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
        if (_base != null)
        {
            HostMapping.Release((nint)_base, MappedSize);
            _base = null;
        }
    }
}
