using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Networking;
using Strata.Devices.Network;
using Strata.Virtio.Queue;
using static Strata.Virtio.Network.NetworkLayout;

namespace Strata.Virtio.Network;

/// <summary>
/// virtio-net with one queue pair or several, checksum and TCP segmentation offload and mergeable receive buffers. Virtual I/O Device
/// (VIRTIO) 1.2, "Network Device". Queue 2n carries frames to the guest, queue 2n + 1 frames from it; behind the pairs lies the control
/// queue. A pair has a worker and a lock of its own.
/// <para>Frames from the guest are copied under the pair's lock and sent without it, on the pair's worker, so that a backend may answer
/// at once: the lock order is backend → pair.</para>
/// </summary>
public sealed partial class VirtioNetwork : VirtioDevice<VirtioNetworkState>, IFrameReceiver, INetworkCard
{
    /// <summary>Bytes of the largest frame with segmentation offload: 64 KiB behind an Ethernet header with a VLAN tag.</summary>
    public const int LargestFrame = 0x10000 + 18;

    private readonly INetworkBackend _backend;
    private readonly byte[] _configuration = new byte[ConfigurationSize];
    private readonly QueuePair[] _pairs;
    private readonly FlowSteering _steering = new();
    private volatile int _activePairs = 1;  // what the driver asked for; written under Hold
    private volatile bool _isLinkUp = true; // both of the following, as the driver is told; all three written under Gate
    private volatile bool _isPlugged = true;
    private volatile bool _hasCarrier = true;
    private volatile bool _mustAnnounce; // the driver is asked to, and has not; written under Hold
    private volatile FrameFeatures _receiverAccepts; // what the driver takes; written under Hold
    private volatile FrameFeatures _driverMay; // what the driver may leave undone; written under Hold

    /// <param name="macAddress">Six bytes.</param>
    /// <param name="mtu">Bytes of the largest IP packet without offloads, 68..65535.</param>
    /// <param name="pairs">1..<see cref="VirtioDevice.MostParallelQueues"/>; more than one are offered as VIRTIO_NET_F_MQ.</param>
    public VirtioNetwork(AddressSpace memory, INetworkBackend backend, ReadOnlySpan<byte> macAddress, ushort mtu = 1500, int pairs = 1)
        : base(memory, (2 * pairs) + 1, "strata-network", workers: pairs, queuesPerWorker: 2)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pairs, MostParallelQueues);
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentOutOfRangeException.ThrowIfNotEqual(macAddress.Length, MacSize);
        ArgumentOutOfRangeException.ThrowIfLessThan(mtu, SmallestMtu);
        _backend = backend;
        macAddress.CopyTo(_configuration);
        BinaryPrimitives.WriteUInt16LittleEndian(_configuration.AsSpan(StatusField), VIRTIO_NET_S_LINK_UP);
        BinaryPrimitives.WriteUInt16LittleEndian(_configuration.AsSpan(MtuField), mtu);
        BinaryPrimitives.WriteUInt16LittleEndian(_configuration.AsSpan(PairsField), (ushort)pairs);
        _pairs = [.. Enumerable.Range(0, pairs).Select(i => new QueuePair(memory, i, Queues[2 * i], Queues[(2 * i) + 1]))];
        backend.Connect(this);
    }

    public override ushort DeviceType => 1;

    public override uint ClassCode => 0x020000;

    public override ulong Features
    {
        get
        {
            ulong features = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MTU | VIRTIO_NET_F_MRG_RXBUF
                | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6
                | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_GUEST_ANNOUNCE | (_pairs.Length > 1 ? VIRTIO_NET_F_MQ : 0);
            FrameFeatures accepts = _backend.Accepts;
            features |= accepts.HasFlag(FrameFeatures.PartialChecksum) ? VIRTIO_NET_F_CSUM : 0;
            features |= accepts.HasFlag(FrameFeatures.Tcp4Segmentation) ? VIRTIO_NET_F_HOST_TSO4 : 0;
            return features | (accepts.HasFlag(FrameFeatures.Tcp6Segmentation) ? VIRTIO_NET_F_HOST_TSO6 : 0);
        }
    }

    public override ReadOnlySpan<byte> Configuration => _configuration;

    public FrameFeatures Accepts => _receiverAccepts;

    /// <inheritdoc/>
    public bool IsLinkUp
    {
        get => _isPlugged;
        set => SetLink(value, _hasCarrier);
    }

    public void SetCarrier(bool up) => SetLink(_isPlugged, up);

    /// <summary>Without the control queue nobody could ask for more pairs than one, or say that the card was announced.</summary>
    public override bool CanWorkWith(ulong features) =>
        (features & (VIRTIO_NET_F_MQ | VIRTIO_NET_F_GUEST_ANNOUNCE)) == 0 || (features & VIRTIO_NET_F_CTRL_VQ) != 0;

    public bool TryReceive(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload)
    {
        if (!_isLinkUp)
        {
            return true;
        }

        uint? flow = null;
        QueuePair chosen = _pairs[_activePairs > 1 ? Choose(head, out flow) : 0];
        return TryReceive(chosen, isChoice: chosen.Number != 0, flow, head, payload, offload)
            ?? TryReceive(_pairs[0], isChoice: false, flow, head, payload, offload)!.Value;
    }

    protected override void Dispose(bool disposing)
    {
        _backend.Dispose();
        using (Hold())
        {
            // Whoever was still handing over a frame has left: guest memory may go.
        }

        base.Dispose(disposing);
    }

    protected override void OnDriverChanged()
    {
        ulong features = DriverFeatures;
        Array.ForEach(_pairs, pair => pair.Reset());
        _activePairs = 1;
        _steering.Forget();
        SetStatus(_isLinkUp, mustAnnounce: false);
        _receiverAccepts = FeaturesOf(features, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6);
        _driverMay = FeaturesOf(features, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6);
        if (features != 0)
        {
            Notify(); // frames that were refused until now may come
        }
    }

    protected override void Drain(int index)
    {
        if (index == ControlIndex)
        {
            Control(index);
        }
        else if (index / 2 < _pairs.Length && index % 2 == 0)
        {
            ResumeIfStarved(_pairs[index / 2]);
        }
        else if (index / 2 < _pairs.Length)
        {
            Transmit(_pairs[index / 2]);
        }
    }

    /// <summary>Where the control queue lies with what was negotiated; -1 without one.</summary>
    private int ControlIndex =>
        (DriverFeatures & VIRTIO_NET_F_CTRL_VQ) == 0 ? -1 : (DriverFeatures & VIRTIO_NET_F_MQ) == 0 ? 2 : 2 * _pairs.Length;

    /// <summary>The pair for a frame: where its flow is sent from, unless the driver has not yet seen what went elsewhere.</summary>
    private int Choose(ReadOnlySpan<byte> head, out uint? hash)
    {
        FlowSteering.Flow flow = _steering.Find(head, _activePairs, out hash);
        if (flow.Last < 0 || flow.Last == flow.Wanted || flow.Last >= _activePairs)
        {
            return flow.Wanted;
        }

        QueuePair last = _pairs[flow.Last];
        lock (GateOf(last.ReceiveIndex))
        {
            return last.Receive.HasDriverSeen(flow.UsedIndex) ? flow.Wanted : flow.Last;
        }
    }

    /// <param name="isChoice">Another pair may take the frame instead.</param>
    /// <returns>Null if the driver does not use this pair.</returns>
    private bool? TryReceive(
        QueuePair pair, bool isChoice, uint? flow, ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload)
    {
        if (!TryEnter(pair.ReceiveIndex))
        {
            return false; // behind the pause every backend is asked to go on
        }

        try
        {
            return TryReceiveInside(pair, isChoice, flow, head, payload, offload);
        }
        finally
        {
            Leave(pair.ReceiveIndex);
        }
    }

    /// <inheritdoc cref="TryReceive(QueuePair, bool, uint?, ReadOnlySpan{byte}, ReadOnlySpan{byte}, in FrameOffload)"/>
    private bool? TryReceiveInside(
        QueuePair pair, bool isChoice, uint? flow, ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload)
    {
        bool interrupt;
        string? broken;
        lock (GateOf(pair.ReceiveIndex))
        {
            if (IsDisposed)
            {
                return true;
            }

            if (isChoice && (pair.Number >= _activePairs || !pair.Receive.IsEnabled))
            {
                return null;
            }

            bool filled = DriverFeatures != 0 && pair.TryFill(head, payload, offload, (DriverFeatures & VIRTIO_NET_F_MRG_RXBUF) != 0);
            if (!filled && !pair.Receive.IsBroken)
            {
                pair.IsStarved = true;
                return false;
            }

            if (filled && flow is { } hash)
            {
                _steering.Delivered(hash, pair.Number, pair.Receive.UsedIndex);
            }

            interrupt = filled && pair.Receive.ShouldInterrupt();
            broken = pair.SaidBroken ? null : pair.Receive.BrokenReason;
            pair.SaidBroken |= broken is not null;
        }

        if (interrupt)
        {
            QueueInterrupt?.Invoke(pair.ReceiveIndex);
        }

        if (broken is not null)
        {
            NeedsReset?.Invoke(broken);
        }

        return true;
    }

    private void ResumeIfStarved(QueuePair pair)
    {
        bool wasStarved;
        lock (GateOf(pair.ReceiveIndex))
        {
            wasStarved = pair.IsStarved && DriverFeatures != 0;
            pair.IsStarved &= !wasStarved;
        }

        if (wasStarved)
        {
            _backend.Resume();
        }
    }

    /// <summary>
    /// Executes the commands there are. All queues are held over each: when the driver sees that it uses fewer pairs, no frame comes to
    /// the others any more.
    /// </summary>
    private void Control(int index)
    {
        VirtQueue queue = Queues[index];
        bool more = true;
        while (more && !MustStop)
        {
            bool interrupt;
            string? broken;
            bool changed = false;
            using (Hold())
            {
                DescriptorChain? chain = index == ControlIndex ? queue.Take() : null; // unless a reset came in between
                more = chain is not null;
                if (chain is not null)
                {
                    int pairs = _activePairs;
                    bool mustAnnounce = _mustAnnounce;
                    bool isMulti = (DriverFeatures & VIRTIO_NET_F_MQ) != 0;
                    queue.Complete(chain, NetworkControl.Execute(Memory, chain, isMulti ? _pairs.Length : 0, ref pairs, ref mustAnnounce));
                    changed = pairs != _activePairs;
                    _activePairs = pairs;
                    SetStatus(_isLinkUp, mustAnnounce);
                }

                interrupt = queue.ShouldInterrupt();
                broken = queue.BrokenReason;
            }

            if (interrupt)
            {
                QueueInterrupt?.Invoke(index);
            }

            if (changed)
            {
                // Whoever waits for room in a pair that is no longer used would wait for ever.
                Array.ForEach(_pairs, ResumeIfStarved);
            }

            if (broken is not null)
            {
                NeedsReset?.Invoke(broken);
                return;
            }
        }
    }

    private void SetLink(bool plugged, bool carrier)
    {
        lock (Gate)
        {
            (_isPlugged, _hasCarrier) = (plugged, carrier);
        }

        ShowLink();
    }

    /// <summary>Tells the driver about the link, if it does not know; while the device is quiesced, behind that.</summary>
    private void ShowLink()
    {
        if (!TryEnter())
        {
            return;
        }

        try
        {
            bool changed;
            lock (Gate)
            {
                bool up = _isPlugged && _hasCarrier;
                changed = _isLinkUp != up;
                SetStatus(up, _mustAnnounce);
            }

            if (changed)
            {
                ConfigurationChanged?.Invoke();
            }
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Under <see cref="VirtioDevice.Gate"/>.</summary>
    private void SetStatus(bool isLinkUp, bool mustAnnounce)
    {
        (_isLinkUp, _mustAnnounce) = (isLinkUp, mustAnnounce);
        int status = (isLinkUp ? VIRTIO_NET_S_LINK_UP : 0) | (mustAnnounce ? VIRTIO_NET_S_ANNOUNCE : 0);
        BinaryPrimitives.WriteUInt16LittleEndian(_configuration.AsSpan(StatusField), (ushort)status);
    }

    private static FrameFeatures FeaturesOf(ulong features, ulong checksum, ulong tcp4, ulong tcp6) =>
        ((features & checksum) != 0 ? FrameFeatures.PartialChecksum : FrameFeatures.None)
        | ((features & tcp4) != 0 ? FrameFeatures.Tcp4Segmentation : FrameFeatures.None)
        | ((features & tcp6) != 0 ? FrameFeatures.Tcp6Segmentation : FrameFeatures.None);

    /// <summary>Sends every frame that the guest has made available in a pair.</summary>
    private void Transmit(QueuePair pair)
    {
        while (!IsDisposed)
        {
            bool more;
            bool interrupt;
            string? broken;
            FrameOffload offload = FrameOffload.None;
            ReadOnlySpan<byte> frame = default;
            lock (GateOf(pair.TransmitIndex))
            {
                more = DriverFeatures != 0 && pair.TryTake(!MustStop, _driverMay, out frame, out offload);
                interrupt = pair.Transmit.ShouldInterrupt();
                broken = pair.Transmit.BrokenReason;
            }

            if (interrupt)
            {
                QueueInterrupt?.Invoke(pair.TransmitIndex);
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

            if (!frame.IsEmpty && _isLinkUp)
            {
                if (_pairs.Length > 1)
                {
                    _steering.Learn(frame, pair.Number);
                }

                _backend.Send(frame, offload);
            }
        }
    }
}
