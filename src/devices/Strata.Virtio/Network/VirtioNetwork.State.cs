using System.Buffers.Binary;
using Strata.Core.Networking;
using Strata.Core.State;
using static Strata.Virtio.Network.NetworkLayout;

namespace Strata.Virtio.Network;

/// <summary>What a network card remembers beside its queues.</summary>
public sealed class VirtioNetworkState : IStateRecord<VirtioNetworkState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>Six bytes: the driver has read them, and sends from them.</summary>
    public required byte[] MacAddress { get; set; }

    /// <summary>Bytes of the largest IP packet without offloads.</summary>
    public required ushort Mtu { get; set; }

    /// <summary>The host has plugged the cable in.</summary>
    public required bool IsPlugged { get; set; }

    /// <summary>The driver has seen, or is about to see, a link that is up.</summary>
    public required bool IsLinkUp { get; set; }

    /// <summary>The driver is asked to announce itself and has not said that it has.</summary>
    public required bool MustAnnounce { get; set; }

    /// <summary>Queue pairs that the driver asked for.</summary>
    public required ushort ActivePairs { get; set; }

    /// <summary>Which pair each flow is on; empty for a card with one pair.</summary>
    public required long[] Flows { get; set; }

    /// <inheritdoc/>
    public static VirtioNetworkState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        byte[] macAddress = new byte[MacSize];
        reader.ReadFixed(nameof(MacAddress), macAddress);
        return new VirtioNetworkState
        {
            MacAddress = macAddress,
            Mtu = reader.Read<ushort>(nameof(Mtu), SmallestMtu, ushort.MaxValue),
            IsPlugged = reader.ReadBoolean(nameof(IsPlugged)),
            IsLinkUp = reader.ReadBoolean(nameof(IsLinkUp)),
            MustAnnounce = reader.ReadBoolean(nameof(MustAnnounce)),
            ActivePairs = reader.Read<ushort>(nameof(ActivePairs), 1, VirtioDevice.MostParallelQueues),
            Flows = reader.ReadArray<long>(nameof(Flows), FlowSteering.Slots),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteFixed(MacAddress);
        writer.Write(Mtu);
        writer.Write(IsPlugged);
        writer.Write(IsLinkUp);
        writer.Write(MustAnnounce);
        writer.Write(ActivePairs);
        writer.WriteArray<long>(Flows);
    }
}

/// <content>
/// The card as a unit of state. Frames for the guest are refused while it is quiesced, and asked for again behind it. A card whose state
/// was loaded may be somewhere else than it was: it tells the switches so itself, and the guest to tell its neighbours.
/// </content>
public sealed partial class VirtioNetwork
{
    private const ushort EtherTypeReverseArp = 0x8035;
    private const int SmallestFrame = 60;

    private bool _wasLoaded; // since the device last went on

    /// <inheritdoc/>
    public override IEnumerable<IUnit> BackendUnits => _backend.GetUnits($"{UnitName}/backend");

    /// <summary>The host's cable stays as it is.</summary>
    public override void Reset()
    {
        using (Hold())
        {
            Array.ForEach(_pairs, pair => pair.Reset());
            _activePairs = 1;
            _steering.Forget();
            SetStatus(_isLinkUp, mustAnnounce: false);
            _wasLoaded = false;
        }
    }

    /// <inheritdoc/>
    public override VirtioNetworkState SaveState()
    {
        using (Hold())
        {
            return new VirtioNetworkState
            {
                MacAddress = _configuration[..MacSize],
                Mtu = BinaryPrimitives.ReadUInt16LittleEndian(_configuration.AsSpan(MtuField)),
                IsPlugged = _isPlugged,
                IsLinkUp = _isLinkUp,
                MustAnnounce = _mustAnnounce,
                ActivePairs = (ushort)_activePairs,
                Flows = _pairs.Length > 1 ? _steering.SaveFlows() : [],
            };
        }
    }

    /// <inheritdoc/>
    public override void LoadState(VirtioNetworkState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (state.ActivePairs > _pairs.Length)
        {
            throw Refuse(nameof(state.ActivePairs), $"is {state.ActivePairs}, and the card has {_pairs.Length}");
        }

        if (state.Flows.Length != (_pairs.Length > 1 ? FlowSteering.Slots : 0))
        {
            throw Refuse(nameof(state.Flows), $"are {state.Flows.Length}, which is not what a card with {_pairs.Length} queue pairs has");
        }

        using (Hold())
        {
            Array.ForEach(_pairs, pair => pair.Reset());
            state.MacAddress.CopyTo(_configuration, 0);
            BinaryPrimitives.WriteUInt16LittleEndian(_configuration.AsSpan(MtuField), state.Mtu);
            _isPlugged = state.IsPlugged;
            _activePairs = state.ActivePairs;
            _steering.LoadFlows(state.Flows);
            SetStatus(state.IsLinkUp, state.MustAnnounce);
            _wasLoaded = true;
        }
    }

    /// <summary>Chains that wait for frames go back into their queues.</summary>
    protected override void OnQuiesced() => Array.ForEach(_pairs, pair => pair.PutBack());

    /// <summary>Frames were refused, and cables plugged, meanwhile.</summary>
    protected override void OnResumed()
    {
        bool announce = false;
        using (Hold())
        {
            Array.ForEach(_pairs, pair => pair.IsStarved = true);
            if (_wasLoaded)
            {
                _wasLoaded = false;
                announce = _isPlugged && _hasCarrier && DriverFeatures != 0;
                SetStatus(_isLinkUp, _mustAnnounce || (announce && (DriverFeatures & VIRTIO_NET_F_GUEST_ANNOUNCE) != 0));
            }
        }

        ShowLink();
        if (announce)
        {
            Announce();
        }
    }

    /// <summary>
    /// Tells switches where the card is now, by a frame that nobody answers, and the driver to tell its neighbours. RFC 903, "A Reverse
    /// Address Resolution Protocol": a request for the own address.
    /// </summary>
    private void Announce()
    {
        if (_mustAnnounce)
        {
            ConfigurationChanged?.Invoke();
        }

        ReadOnlySpan<byte> own = _configuration.AsSpan(0, MacSize);
        Span<byte> frame = stackalloc byte[SmallestFrame];
        frame.Clear();
        frame[..MacSize].Fill(0xFF);
        own.CopyTo(frame[6..]);
        BinaryPrimitives.WriteUInt16BigEndian(frame[12..], EtherTypeReverseArp);
        BinaryPrimitives.WriteUInt16BigEndian(frame[14..], 1); // Ethernet
        BinaryPrimitives.WriteUInt16BigEndian(frame[16..], 0x0800);
        frame[18] = MacSize;
        frame[19] = 4;
        BinaryPrimitives.WriteUInt16BigEndian(frame[20..], 3); // request reverse
        own.CopyTo(frame[22..]);
        own.CopyTo(frame[32..]);
        _backend.Send(frame, FrameOffload.None);
    }
}
