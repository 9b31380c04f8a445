using Strata.Core.Bus;
using Strata.Core.Memory;

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

    /// <summary>Begins to write the next bytes that lie together in guest memory.</summary>
    /// <param name="most">Largest number wanted, above zero.</param>
    /// <param name="write">To be disposed when the bytes are there; empty at the end of the chain.</param>
    /// <returns>False if the guest's buffer is no RAM.</returns>
    public bool TryTake(int most, out DmaWrite write)
    {
        write = default;
        if (!TryNext(most, out ulong address, out uint length))
        {
            return true;
        }

        bool isRam = _memory.TryBeginWrite(address, length, out write);
        Taken += isRam ? length : 0;
        return isRam;
    }

    /// <summary>Leaves bytes out: they keep what they hold.</summary>
    /// <returns>False if the chain is too short or no RAM.</returns>
    public bool TrySkip(int count)
    {
        while (count > 0)
        {
            if (!TryNext(count, out ulong address, out uint length) || !_memory.IsWritableRam(address, length))
            {
                return false;
            }

            Taken += length;
            count -= (int)length;
        }

        return true;
    }

    /// <summary>Writes all of <paramref name="bytes"/>.</summary>
    /// <returns>False if the chain is too short or no RAM; a part may have been written then.</returns>
    public bool TryWrite(scoped ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (!TryTake(bytes.Length, out DmaWrite write) || write.IsEmpty)
            {
                return false;
            }

            using (write)
            {
                bytes[..write.Span.Length].CopyTo(write.Span);
            }

            bytes = bytes[write.Span.Length..];
        }

        return true;
    }

    /// <summary>Where the next bytes go.</summary>
    /// <returns>False at the end of the chain.</returns>
    private bool TryNext(int most, out ulong address, out uint length)
    {
        while (_buffer < _chain.Buffers.Count)
        {
            GuestBuffer buffer = _chain.Buffers[_buffer];
            if (_offset == buffer.Length)
            {
                _buffer++;
                _offset = 0;
                continue;
            }

            length = Math.Min(buffer.Length - _offset, (uint)most);
            address = buffer.Address + _offset;
            _offset += length;
            return true;
        }

        (address, length) = (0, 0);
        return false;
    }
}
