using System.Net.Sockets;
using Strata.Core.Networking;
using Strata.Networking.Frames;
using Strata.Networking.Nat;
using Strata.Networking.Sockets;

namespace Strata.Networking.Tcp;

/// <summary>
/// One TCP connection of a guest, ended here and continued by a host socket. RFC 9293, "Transmission Control Protocol". Bytes wait in
/// two bounded queues; a full one stops its source: the guest by the window, the host by not reading its socket.
/// This part holds life and death; the others what comes from the guest, what goes to it, and the socket.
/// Everything under the network's gate, on whatever thread has it.
/// </summary>
internal sealed partial class TcpConnection : ISocketEvents
{
    /// <summary>Bytes from the guest that the host socket has not taken.</summary>
    private const int ReceiveLimit = 1 << 18;

    /// <summary>Bytes for the guest that it has not acknowledged.</summary>
    private const int SendLimit = 1 << 19;

    /// <summary>What the guest gets offered by a window field of 16 bits.</summary>
    private const byte ReceiveScale = 7;

    /// <summary>RFC 7323, "Window Scale Option".</summary>
    private const byte LargestScale = 14;

    /// <summary>RFC 9293, "Maximum Segment Size Option": what holds without one.</summary>
    private const int DefaultSegmentSize = 536;

    private const int SmallestSegmentSize = 88;

    /// <summary>Twice the life of a segment: none lives for a second on a wire inside one process.</summary>
    private const long TimeWaitNanoseconds = 5_000_000_000;

    private readonly TcpService _service;
    private readonly NatContext _nat;
    private readonly int _ipHeaderSize; // bytes
    private readonly FrameFeatures _segmentation; // what the guest's card has to take for many segments at once
    private readonly ByteRing _received;
    private readonly ByteRing _toSend;
    private readonly uint _initialSequence;

    public TcpConnection(TcpService service, NatContext nat, FlowKey key, Socket socket)
    {
        _service = service;
        _nat = nat;
        Key = key;
        _ipHeaderSize = InternetPacket.HeaderSize(key.Guest);
        _segmentation = key.Guest.IsIpv4 ? FrameFeatures.Tcp4Segmentation : FrameFeatures.Tcp6Segmentation;
        _socket = socket;
        KeepUrgentDataInLine(socket);
        _received = new ByteRing(service.Budget, ReceiveLimit);
        _toSend = new ByteRing(service.Budget, SendLimit);
        _unacknowledged = _next = _initialSequence = service.Sequences.Next(key);
    }

    public FlowKey Key { get; }

    public TcpState State { get; private set; } = TcpState.Connecting;

    /// <summary>SND.NXT: what the guest would get next.</summary>
    public uint SendNext => _next;

    /// <summary>RCV.NXT: what the guest would send next.</summary>
    public uint ReceiveNext => _receiveNext;

    /// <summary>The guest believes in it. One that it waits for is none: it will ask again.</summary>
    public bool IsKnownToTheGuest => State is not (TcpState.Closed or TcpState.TimeWait or TcpState.Connecting);

    /// <summary>
    /// Whether a guest that expects these numbers next, from here and from itself, can go on with it: what was sent before, it has got.
    /// </summary>
    public bool IsAt(uint sendNext, uint receiveNext) => IsKnownToTheGuest && _next == sendNext && _receiveNext == receiveNext;

    /// <summary>When <see cref="OnTimer"/> wants to be called, in nanoseconds; <see cref="long.MaxValue"/> for never.</summary>
    public long Deadline { get; private set; } = long.MaxValue;

    /// <summary>It waits for room in the guest's card.</summary>
    public bool IsBlocked { get; set; }

    /// <summary>The guest's SYN; the host's connection is under way.</summary>
    public void Begin(in TcpSegment syn)
    {
        _receiveNext = _toHost = syn.Sequence + 1;
        TakeSynOptions(syn);
        _sendWindow = syn.Window;
        _windowSequence = syn.Sequence;
    }

    /// <summary>The host has accepted a connection on a forwarded port: call the guest.</summary>
    public void CallGuest()
    {
        State = TcpState.SynSent;
        _isConnected = true;
        _isWritable = true;
        SendSyn();
        _next++;
        _timer.OnSent(_next, _nat.Clock.Now);
        ArmRetransmission();
    }

    /// <summary>Ends both sides at once: RST to the guest, RST to the host.</summary>
    public void Abort()
    {
        if (State is not (TcpState.Closed or TcpState.TimeWait or TcpState.Connecting))
        {
            SendControl(TcpFlags.Rst | TcpFlags.Ack, _next);
        }
        else if (State == TcpState.Connecting)
        {
            SendControl(TcpFlags.Rst | TcpFlags.Ack, 0);
        }

        Drop();
    }

    /// <summary>Ends the host's side at once and forgets the connection, without a word to the guest.</summary>
    public void Drop()
    {
        if (State == TcpState.Closed)
        {
            return;
        }

        State = TcpState.Closed;
        CloseSocket(reset: true);
        Release();
    }

    /// <summary>The guest's SYN as far as an ICMP error quotes it.</summary>
    /// <param name="place">Room for two headers without options.</param>
    /// <returns>Bytes.</returns>
    public int WriteQuote(Span<byte> place)
    {
        InternetPacket.WriteHeader(place, Key.Guest, Key.Remote, Ipv4Packet.ProtocolTcp, TcpSegment.HeaderSize);
        TcpSegment.WriteHeader(place[_ipHeaderSize..], Key.GuestPort, Key.RemotePort, _receiveNext - 1, 0, TcpFlags.Syn, 0);
        return _ipHeaderSize + TcpSegment.HeaderSize;
    }

    public void OnTimer()
    {
        long now = _nat.Clock.Now;
        Deadline = long.MaxValue;
        switch (State)
        {
            case TcpState.TimeWait when _received.Count > 0:
                SetDeadline(now + TimeWaitNanoseconds); // the host is still taking the guest's last bytes
                break;
            case TcpState.TimeWait:
                Finish();
                break;
            case TcpState.Closed or TcpState.Connecting:
                break;
            default:
                OnRetransmissionTime(now);
                break;
        }
    }

    /// <summary>Both directions are done; nothing is left to tell anybody.</summary>
    private void Finish()
    {
        State = TcpState.Closed;
        CloseSocket(reset: false);
        Release();
    }

    private void EnterTimeWait()
    {
        State = TcpState.TimeWait;
        _toSend.Clear();
        if (_received.Count == 0)
        {
            CloseSocket(reset: false);
        }

        SetDeadline(_nat.Clock.Now + TimeWaitNanoseconds);
    }

    private void Release()
    {
        Deadline = long.MaxValue;
        _received.Clear();
        _toSend.Clear();
        _service.Remove(this);
    }

    private void SetDeadline(long deadline)
    {
        Deadline = deadline;
        _service.ArmTimer(deadline);
    }

    private void TakeSynOptions(in TcpSegment syn)
    {
        syn.ReadOptions(out ushort? segmentSize, out byte? scale);
        int most = _nat.Options.Mtu - _ipHeaderSize - TcpSegment.HeaderSize;
        _segmentSize = Math.Clamp(segmentSize ?? DefaultSegmentSize, Math.Min(SmallestSegmentSize, most), most);
        _isScaled = scale is not null;
        _sendScale = Math.Min(scale ?? 0, LargestScale);
    }
}
