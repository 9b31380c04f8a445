using Strata.Core.Bus;

namespace Strata.Virtio.Queue;

/// <summary>Writes the device-writable part of a chain in order.</summary>
public ref struct ChainWriter
{
    private readonly AddressSpace _memory;
    private readonly DescriptorChain _chain;
    private int _buffer;
    private uint _offset;

    public ChainWriter(AddressSpace memory, DescriptorChain chain)
    {
        ArgumentNullException.ThrowIfNull(chain);
        _memory = memory;
        _chain = chain;
        while (_buffer < chain.Buffers.Count && !chain.Buffers[_buffer].IsWritable)
        {
            _buffer++;
        }
    }

    /// <summary>Bytes that were taken so far.</summary>
    public uint Taken { get; private set; }

    /// <summary>The next bytes that lie together in guest memory, marked as written.</summary>
    /// <param name="most">Largest number wanted, above zero.</param>
    /// <param name="span">Empty at the end of the chain.</param>
    /// <returns>False if the guest's buffer is no RAM.</returns>
    public bool TryTake(int most, out Span<byte> span)
    {
        span = default;
        while (_buffer < _chain.Buffers.Count)
        {
            GuestBuffer buffer = _chain.Buffers[_buffer];
            if (_offset == buffer.Length)
            {
                _buffer++;
                _offset = 0;
                continue;
            }

            uint length = Math.Min(buffer.Length - _offset, (uint)most);
            ulong address = buffer.Address + _offset;
            _offset += length;
            bool isRam = _memory.TryGetSpan(address, length, forWriting: true, out span);
            Taken += isRam ? length : 0;
            return isRam;
        }

        return true;
    }

    /// <summary>Writes all of <paramref name="bytes"/>.</summary>
    /// <returns>False if the chain is too short or no RAM; a part may have been written then.</returns>
    public bool TryWrite(scoped ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (!TryTake(bytes.Length, out Span<byte> span) || span.IsEmpty)
            {
                return false;
            }

            bytes[..span.Length].CopyTo(span);
            bytes = bytes[span.Length..];
        }

        return true;
    }
}
