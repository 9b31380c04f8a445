using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Networking;
using Strata.Virtio.Queue;

namespace Strata.Virtio.Network;

/// <summary>
/// virtio-net with one queue pair or several, checksum and TCP segmentation offload and mergeable receive buffers. Virtual I/O Device
/// (VIRTIO) 1.2, "Network Device". Queue 2n carries frames to the guest, queue 2n + 1 frames from it; behind the pairs lies the control
/// queue, which a device with one pair does not have. A pair has a worker and a lock of its own.
/// <para>Frames from the guest are copied under the pair's lock and sent without it, on the pair's worker, so that a backend may answer
/// at once: the lock order is backend → pair.</para>
/// </summary>
public sealed class VirtioNetwork : VirtioDevice, IFrameReceiver
{
    /// <summary>Bytes of the largest frame with segmentation offload: 64 KiB behind an Ethernet header with a VLAN tag.</summary>
    public const int LargestFrame = 0x10000 + 18;

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
    private const ulong FeatureControlQueue = 1 << 17;
    private const ulong FeatureMultiQueue = 1 << 22;
    private const int StatusField = 6;
    private const int PairsField = 8;
    private const int MtuField = 10;
    private const int MacSize = 6;
    private const ushort LinkUp = 1;

    private readonly INetworkBackend _backend;
    private readonly byte[] _configuration = new byte[12];
    private readonly QueuePair[] _pairs;
    private readonly FlowSteering _steering = new();
    private volatile int _activePairs = 1;  // what the driver asked for; written under Hold
    private volatile bool _isLinkUp = true; // both of the following; all three written under Gate
    private volatile bool _isPlugged = true;
    private volatile bool _hasCarrier = true;
    private volatile FrameFeatures _receiverAccepts; // what the driver takes; written under Hold
    private volatile FrameFeatures _driverMay; // what the driver may leave undone; written under Hold

    /// <param name="macAddress">Six bytes.</param>
    /// <param name="mtu">Bytes of the largest IP packet without offloads, 68..65535.</param>
    /// <param name="pairs">1..<see cref="VirtioDevice.MostParallelQueues"/>; more than one are offered as VIRTIO_NET_F_MQ.</param>
    public VirtioNetwork(AddressSpace memory, INetworkBackend backend, ReadOnlySpan<byte> macAddress, ushort mtu = 1500, int pairs = 1)
        : base(memory, pairs == 1 ? 2 : (2 * pairs) + 1, "strata-network", workers: pairs, queuesPerWorker: 2)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pairs, MostParallelQueues);
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentOutOfRangeException.ThrowIfNotEqual(macAddress.Length, MacSize);
        ArgumentOutOfRangeException.ThrowIfLessThan(mtu, 68);
        _backend = backend;
        macAddress.CopyTo(_configuration);
        BinaryPrimitives.WriteUInt16LittleEndian(_configuration.AsSpan(StatusField), LinkUp);
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
            ulong features = FeatureMac | FeatureStatus | FeatureMtu | FeatureMergeableBuffers
                | FeatureGuestChecksum | FeatureGuestTcp4 | FeatureGuestTcp6
                | (_pairs.Length > 1 ? FeatureControlQueue | FeatureMultiQueue : 0);
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

    /// <summary>Without the control queue nobody could ask for more pairs than one.</summary>
    public override bool CanWorkWith(ulong features) => (features & FeatureMultiQueue) == 0 || (features & FeatureControlQueue) != 0;

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
        _receiverAccepts = FeaturesOf(features, FeatureGuestChecksum, FeatureGuestTcp4, FeatureGuestTcp6);
        _driverMay = FeaturesOf(features, FeatureChecksum, FeatureHostTcp4, FeatureHostTcp6);
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
    private int ControlIndex => (DriverFeatures & FeatureControlQueue) == 0 ? -1 : (DriverFeatures & FeatureMultiQueue) == 0 ? 2 : 2 * _pairs.Length;

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
    private bool? TryReceive(QueuePair pair, bool isChoice, uint? flow, ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload)
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

            bool filled = DriverFeatures != 0 && pair.TryFill(head, payload, offload, (DriverFeatures & FeatureMergeableBuffers) != 0);
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
        while (more && !IsDisposed)
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
                    bool isMulti = (DriverFeatures & FeatureMultiQueue) != 0;
                    queue.Complete(chain, NetworkControl.Execute(Memory, chain, isMulti ? _pairs.Length : 0, ref pairs));
                    changed = pairs != _activePairs;
                    _activePairs = pairs;
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
                more = DriverFeatures != 0 && pair.TryTake(_driverMay, out frame, out offload);
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
