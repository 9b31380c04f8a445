using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Networking;
using Strata.Virtio.Queue;

namespace Strata.Virtio.Network;

/// <summary>
/// virtio-net with one queue pair, checksum and TCP segmentation offload and mergeable receive buffers. Virtual I/O Device (VIRTIO)
/// 1.2, "Network Device". Queue 0 carries frames to the guest, queue 1 frames from it.
/// <para>Frames from the guest are copied under <see cref="VirtioDevice.Gate"/> and sent without it, on the device's worker, so that a
/// backend may answer at once: the lock order is backend → Gate.</para>
/// </summary>
public sealed class VirtioNetwork : VirtioDevice, IFrameReceiver
{
    /// <summary>Bytes of the largest frame with segmentation offload: 64 KiB behind an Ethernet header with a VLAN tag.</summary>
    public const int LargestFrame = 0x10000 + 18;

    private const int ReceiveQueue = 0;
    private const int TransmitQueue = 1;
    private const ulong FeatureChecksum = 1 << 0;
    private const ulong FeatureGuestChecksum = 1 << 1;
    private const ulong FeatureMtu = 1 << 3;
    private const ulong FeatureMac = 1 << 5;
    private const ulong FeatureGuestTcp4 = 1 << 7;
    private const ulong FeatureGuestTcp6 = 1 << 8;
    private const ulong FeatureHostTcp4 = 1 << 11;
    private const ulong FeatureHostTcp6 = 1 << 12;
    private const ulong FeatureMergeableBuffers = 1 << 15;
    private const ulong FeatureStatus = 1 << 16;
    private const int StatusField = 6;
    private const int MtuField = 10;
    private const int MacSize = 6;
    private const ushort LinkUp = 1;

    /// <summary>Chains a frame may be spread over; Linux gives buffers of 1.5 KiB and more.</summary>
    private const int MostBuffers = 64;

    private readonly INetworkBackend _backend;
    private readonly byte[] _configuration = new byte[12];
    private readonly byte[] _transmit = new byte[VirtioNetHeader.Size + LargestFrame]; // worker only
    private readonly List<DescriptorChain> _held = []; // receive chains taken but not filled yet; under Gate
    private long _heldCapacity;  // bytes that _held can take; under Gate
    private bool _saidBroken;    // the driver was told once that the receive queue is broken; under Gate
    private bool _starved;       // a frame was refused since the last Resume; under Gate
    private volatile bool _isLinkUp = true; // both of the following; all three written under Gate
    private volatile bool _isPlugged = true;
    private volatile bool _hasCarrier = true;
    private volatile FrameFeatures _receiverAccepts; // what the driver takes; written under Gate
    private FrameFeatures _driverMay; // what the driver may leave undone; under Gate

    /// <param name="macAddress">Six bytes.</param>
    /// <param name="mtu">Bytes of the largest IP packet without offloads, 68..65535.</param>
    public VirtioNetwork(AddressSpace memory, INetworkBackend backend, ReadOnlySpan<byte> macAddress, ushort mtu = 1500)
        : base(memory, queues: 2, "strata-network")
    {
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentOutOfRangeException.ThrowIfNotEqual(macAddress.Length, MacSize);
        ArgumentOutOfRangeException.ThrowIfLessThan(mtu, 68);
        _backend = backend;
        macAddress.CopyTo(_configuration);
        BinaryPrimitives.WriteUInt16LittleEndian(_configuration.AsSpan(StatusField), LinkUp);
        BinaryPrimitives.WriteUInt16LittleEndian(_configuration.AsSpan(MtuField), mtu);
        backend.Connect(this);
    }

    public override ushort DeviceType => 1;

    public override uint ClassCode => 0x020000;

    public override ulong Features
    {
        get
        {
            ulong features = FeatureMac | FeatureStatus | FeatureMtu | FeatureMergeableBuffers
                | FeatureGuestChecksum | FeatureGuestTcp4 | FeatureGuestTcp6;
            FrameFeatures accepts = _backend.Accepts;
            features |= accepts.HasFlag(FrameFeatures.PartialChecksum) ? FeatureChecksum : 0;
            features |= accepts.HasFlag(FrameFeatures.Tcp4Segmentation) ? FeatureHostTcp4 : 0;
            return features | (accepts.HasFlag(FrameFeatures.Tcp6Segmentation) ? FeatureHostTcp6 : 0);
        }
    }

    public override ReadOnlySpan<byte> Configuration => _configuration;

    public FrameFeatures Accepts => _receiverAccepts;

    /// <summary>Whether the cable is plugged in at this end. Setting it tells the driver. Any thread.</summary>
    public bool IsLinkUp
    {
        get => _isPlugged;
        set => SetLink(value, _hasCarrier);
    }

    public void SetCarrier(bool up) => SetLink(_isPlugged, up);

    public bool TryReceive(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload)
    {
        if (!_isLinkUp)
        {
            return true;
        }

        bool interrupt;
        string? broken;
        lock (Gate)
        {
            if (IsDisposed)
            {
                return true;
            }

            VirtQueue queue = Queues[ReceiveQueue];
            bool collected = DriverFeatures != 0 && Collect(queue, VirtioNetHeader.Size + head.Length + payload.Length);
            if (!collected && !queue.IsBroken)
            {
                _starved = true;
                return false;
            }

            if (collected)
            {
                Fill(queue, head, payload, offload);
            }

            interrupt = collected && queue.ShouldInterrupt();
            broken = _saidBroken ? null : queue.BrokenReason;
            _saidBroken |= broken is not null;
        }

        if (interrupt)
        {
            QueueInterrupt?.Invoke(ReceiveQueue);
        }

        if (broken is not null)
        {
            NeedsReset?.Invoke(broken);
        }

        return true;
    }

    protected override void Dispose(bool disposing)
    {
        _backend.Dispose();
        lock (Gate)
        {
            // Whoever was still handing over a frame has left: guest memory may go.
        }

        base.Dispose(disposing);
    }

    protected override void OnDriverChanged()
    {
        ulong features = DriverFeatures;
        _held.Clear();
        _heldCapacity = 0;
        _saidBroken = false;
        _receiverAccepts = FeaturesOf(features, FeatureGuestChecksum, FeatureGuestTcp4, FeatureGuestTcp6);
        _driverMay = FeaturesOf(features, FeatureChecksum, FeatureHostTcp4, FeatureHostTcp6);
        if (features != 0)
        {
            Notify(); // frames that were refused until now may come
        }
    }

    protected override void Drain(int index)
    {
        if (index == TransmitQueue)
        {
            Transmit();
            return;
        }

        bool wasStarved;
        lock (Gate)
        {
            wasStarved = _starved && DriverFeatures != 0;
            _starved &= !wasStarved;
        }

        if (wasStarved)
        {
            _backend.Resume();
        }
    }

    private void SetLink(bool plugged, bool carrier)
    {
        lock (Gate)
        {
            (_isPlugged, _hasCarrier) = (plugged, carrier);
            bool up = plugged && carrier;
            if (_isLinkUp == up)
            {
                return;
            }

            _isLinkUp = up;
            BinaryPrimitives.WriteUInt16LittleEndian(_configuration.AsSpan(StatusField), up ? LinkUp : (ushort)0);
        }

        ConfigurationChanged?.Invoke();
    }

    private static FrameFeatures FeaturesOf(ulong features, ulong checksum, ulong tcp4, ulong tcp6) =>
        ((features & checksum) != 0 ? FrameFeatures.PartialChecksum : FrameFeatures.None)
        | ((features & tcp4) != 0 ? FrameFeatures.Tcp4Segmentation : FrameFeatures.None)
        | ((features & tcp6) != 0 ? FrameFeatures.Tcp6Segmentation : FrameFeatures.None);

    /// <summary>Sends every frame that the guest has made available.</summary>
    private void Transmit()
    {
        VirtQueue queue = Queues[TransmitQueue];
        while (!IsDisposed)
        {
            int length;
            bool more;
            bool interrupt;
            string? broken;
            FrameOffload offload = FrameOffload.None;
            lock (Gate)
            {
                DescriptorChain? chain = DriverFeatures == 0 ? null : queue.Take();
                more = chain is not null;
                length = 0;
                if (chain is not null)
                {
                    length = Gather(chain);
                    queue.Complete(chain, 0);
                    if (length > 0 && !VirtioNetHeader.TryRead(_transmit, length, _driverMay, out offload))
                    {
                        length = 0;
                    }
                }

                interrupt = queue.ShouldInterrupt();
                broken = queue.BrokenReason;
            }

            if (interrupt)
            {
                QueueInterrupt?.Invoke(TransmitQueue);
            }

            if (broken is not null)
            {
                NeedsReset?.Invoke(broken);
                return;
            }

            if (!more)
            {
                return;
            }

            if (length > 0 && _isLinkUp)
            {
                _backend.Send(_transmit.AsSpan(VirtioNetHeader.Size, length), offload);
            }
        }
    }

    /// <summary>Copies a chain's bytes: what is checked afterwards can no longer be changed by the guest.</summary>
    /// <returns>Bytes of the frame behind the header; zero if there is none or it is too long.</returns>
    private int Gather(DescriptorChain chain)
    {
        int length = 0;
        foreach (GuestBuffer buffer in chain.Buffers)
        {
            if (buffer.IsWritable || buffer.Length > (uint)(_transmit.Length - length)
                || !Memory.TryGetSpan(buffer.Address, buffer.Length, forWriting: false, out Span<byte> bytes))
            {
                return 0;
            }

            bytes.CopyTo(_transmit.AsSpan(length));
            length += bytes.Length;
        }

        return Math.Max(0, length - VirtioNetHeader.Size);
    }

    /// <summary>Takes chains until <see cref="_held"/> has room for a frame; without mergeable buffers it has to fit into one.</summary>
    private bool Collect(VirtQueue queue, int needed)
    {
        bool mergeable = (DriverFeatures & FeatureMergeableBuffers) != 0;
        while (_heldCapacity < needed)
        {
            if (_held.Count >= (mergeable ? MostBuffers : 1))
            {
                // No chain of this driver's is large enough: give back what it offered, unused, and lose the frame.
                ReturnUnused(queue);
                return false;
            }

            if (queue.Take() is not { } chain)
            {
                return false;
            }

            _held.Add(chain);
            _heldCapacity += chain.WritableLength;
        }

        return true;
    }

    private void ReturnUnused(VirtQueue queue)
    {
        _held.ForEach(chain => queue.Return(chain, 0));
        queue.Publish();
        _held.Clear();
        _heldCapacity = 0;
    }

    /// <summary>Writes a frame over the held chains and shows those it filled to the driver, all at once.</summary>
    private void Fill(VirtQueue queue, ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload)
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
                if (left == 0 || !buffer.IsWritable || !Memory.TryGetSpan(buffer.Address, Math.Min(buffer.Length, left), forWriting: true, out Span<byte> place))
                {
                    continue;
                }

                written += (uint)place.Length;
                place = place[Pour(ref first, place)..];
                place = place[Pour(ref second, place)..];
                Pour(ref third, place);
            }

            _heldCapacity -= chain.WritableLength;
            queue.Return(chain, written);
        }

        _held.RemoveRange(0, chains);
        queue.Publish();
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
