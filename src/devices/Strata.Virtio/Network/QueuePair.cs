using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.Networking;
using Strata.Virtio.Queue;

namespace Strata.Virtio.Network;

/// <summary>
/// A receive queue and a transmit queue with what the device keeps of them, all under the lock of their worker: how a frame gets out of
/// descriptor chains and into them.
/// </summary>
/// <param name="number">Counts from zero.</param>
internal sealed class QueuePair(AddressSpace memory, int number, VirtQueue receive, VirtQueue transmit)
{
    /// <summary>Chains a frame may be spread over; Linux gives buffers of 1.5 KiB and more.</summary>
    private const int MostBuffers = 64;

    private readonly byte[] _transmit = new byte[VirtioNetHeader.Size + VirtioNetwork.LargestFrame]; // worker only
    private readonly List<DescriptorChain> _held = []; // receive chains taken but not filled yet
    private long _heldCapacity;                        // bytes that _held can take
    private DescriptorChain? _sending;                 // a transmit chain that was taken but not given back yet

    public int Number => number;

    public int ReceiveIndex => number * 2;

    public int TransmitIndex => (number * 2) + 1;

    public VirtQueue Receive => receive;

    public VirtQueue Transmit => transmit;

    /// <summary>A frame was refused since the backend was last called.</summary>
    public bool IsStarved { get; set; }

    /// <summary>The driver was told once that the receive queue is broken.</summary>
    public bool SaidBroken { get; set; }

    public void Reset()
    {
        _sending = null;
        _held.Clear();
        _heldCapacity = 0;
        SaidBroken = false;
    }

    /// <summary>Chains that wait for frames are the driver's again, as if they had not been taken.</summary>
    public void PutBack()
    {
        receive.PutBack(_held.Count);
        _held.Clear();
        _heldCapacity = 0;
    }

    /// <summary>Hands a frame to the driver.</summary>
    /// <param name="isMergeable">It may be spread over several chains.</param>
    /// <returns>False if there is no room.</returns>
    public bool TryFill(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload, bool isMergeable)
    {
        if (!Collect(VirtioNetHeader.Size + head.Length + payload.Length, isMergeable))
        {
            return false;
        }

        Fill(head, payload, offload);
        return true;
    }

    /// <summary>
    /// Takes the driver's next frame, and gives the last one's chain back: not before it was sent, because then the driver may send the
    /// flow's next frame from another pair.
    /// </summary>
    /// <param name="takes">False to give the last one's chain back only.</param>
    /// <param name="allowed">What the driver may leave undone.</param>
    /// <param name="frame">Behind the header, until the next call; empty for what is no frame or contradicts its header.</param>
    /// <returns>False if there is none.</returns>
    public bool TryTake(bool takes, FrameFeatures allowed, out ReadOnlySpan<byte> frame, out FrameOffload offload)
    {
        frame = default;
        offload = FrameOffload.None;
        if (_sending is not null)
        {
            transmit.Complete(_sending, 0);
        }

        _sending = takes ? transmit.Take() : null;
        if (_sending is null)
        {
            return false;
        }

        int length = Gather(_sending);
        if (length > 0 && VirtioNetHeader.TryRead(_transmit, length, allowed, out offload))
        {
            frame = _transmit.AsSpan(VirtioNetHeader.Size, length);
        }

        return true;
    }

    /// <summary>Copies a chain's bytes: what is checked afterwards can no longer be changed by the guest.</summary>
    /// <returns>Bytes of the frame behind the header; zero if there is none or it is too long.</returns>
    private int Gather(DescriptorChain chain)
    {
        int length = 0;
        foreach (GuestBuffer buffer in chain.Buffers)
        {
            if (buffer.IsWritable || buffer.Length > (uint)(_transmit.Length - length)
                || !memory.TryGetSpan(buffer.Address, buffer.Length, out ReadOnlySpan<byte> bytes))
            {
                return 0;
            }

            bytes.CopyTo(_transmit.AsSpan(length));
            length += bytes.Length;
        }

        return Math.Max(0, length - VirtioNetHeader.Size);
    }

    /// <summary>Takes chains until <see cref="_held"/> has room for a frame; without mergeable buffers it has to fit into one.</summary>
    private bool Collect(int needed, bool isMergeable)
    {
        while (_heldCapacity < needed)
        {
            if (_held.Count >= (isMergeable ? MostBuffers : 1))
            {
                // No chain of this driver's is large enough: give back what it offered, unused, and lose the frame.
                ReturnUnused();
                return false;
            }

            if (receive.Take() is not { } chain)
            {
                return false;
            }

            _held.Add(chain);
            _heldCapacity += chain.WritableLength;
        }

        return true;
    }

    private void ReturnUnused()
    {
        _held.ForEach(chain => receive.Return(chain, 0));
        receive.Publish();
        _held.Clear();
        _heldCapacity = 0;
    }

    /// <summary>Writes a frame over the held chains and shows those it filled to the driver, all at once.</summary>
    private void Fill(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload)
    {
        Span<byte> header = stackalloc byte[VirtioNetHeader.Size];
        int chains = CountChains(VirtioNetHeader.Size + head.Length + payload.Length);
        VirtioNetHeader.Write(header, offload, chains);
        ReadOnlySpan<byte> first = header;
        ReadOnlySpan<byte> second = head;
        ReadOnlySpan<byte> third = payload;
        for (int i = 0; i < chains; i++)
        {
            DescriptorChain chain = _held[i];
            uint written = 0; // stays below what was announced where a buffer lies outside of RAM: the guest loses the rest
            foreach (GuestBuffer buffer in chain.Buffers)
            {
                uint left = (uint)(first.Length + second.Length + third.Length);
                if (left == 0
                    || !buffer.IsWritable
                    || !memory.TryBeginWrite(buffer.Address, Math.Min(buffer.Length, left), out DmaWrite write))
                {
                    continue;
                }

                using (write)
                {
                    Span<byte> place = write.Span;
                    written += (uint)place.Length;
                    place = place[Pour(ref first, place)..];
                    place = place[Pour(ref second, place)..];
                    Pour(ref third, place);
                }
            }

            _heldCapacity -= chain.WritableLength;
            receive.Return(chain, written);
        }

        _held.RemoveRange(0, chains);
        receive.Publish();
    }

    private int CountChains(int length)
    {
        int count = 0;
        for (long room = 0; room < length && count < _held.Count; count++)
        {
            room += _held[count].WritableLength;
        }

        return count;
    }

    /// <summary>Copies what fits.</summary>
    /// <returns>Bytes copied.</returns>
    private static int Pour(scoped ref ReadOnlySpan<byte> source, Span<byte> place)
    {
        int count = Math.Min(source.Length, place.Length);
        source[..count].CopyTo(place);
        source = source[count..];
        return count;
    }
}
