using Strata.Core.Bus;

namespace Strata.Virtio.Queue;

/// <summary>
/// Reads the device-readable part of a chain in order. The guest may change the bytes meanwhile: what is judged has to be copied first.
/// </summary>
public ref struct ChainReader(AddressSpace memory, DescriptorChain chain)
{
    private int _buffer;
    private uint _offset;

    /// <summary>The next bytes that lie together in guest memory.</summary>
    /// <param name="most">Largest number wanted, above zero.</param>
    /// <param name="span">Empty at the end of the readable part.</param>
    /// <returns>False if the guest's buffer is no RAM.</returns>
    public bool TryTake(int most, out ReadOnlySpan<byte> span)
    {
        span = default;
        while (_buffer < chain.Buffers.Count)
        {
            GuestBuffer buffer = chain.Buffers[_buffer];
            if (buffer.IsWritable)
            {
                return true;
            }

            if (_offset == buffer.Length)
            {
                _buffer++;
                _offset = 0;
                continue;
            }

            uint length = Math.Min(buffer.Length - _offset, (uint)most);
            ulong address = buffer.Address + _offset;
            _offset += length;
            return memory.TryGetSpan(address, length, out span);
        }

        return true;
    }

    /// <summary>Copies the next bytes.</summary>
    /// <param name="count">Bytes copied: fewer than the target holds at the end of the readable part only.</param>
    /// <returns>False if a guest's buffer is no RAM.</returns>
    public bool TryRead(scoped Span<byte> target, out int count)
    {
        count = 0;
        while (count < target.Length)
        {
            if (!TryTake(target.Length - count, out ReadOnlySpan<byte> span))
            {
                return false;
            }

            if (span.IsEmpty)
            {
                break;
            }

            span.CopyTo(target[count..]);
            count += span.Length;
        }

        return true;
    }
}
