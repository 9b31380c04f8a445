using System.Buffers.Binary;
using Strata.Core.Networking;
using Strata.Networking.Frames;
using Strata.Networking.Nat;

namespace Strata.Networking.Tcp;

/// <content>What goes to the guest. RFC 9293, "Data Communication"; no congestion control, as there is no network in between.</content>
internal sealed partial class TcpConnection
{
    /// <summary>Attempts without any answer before the guest is given up.</summary>
    private const int MostAttempts = 15;

    private const int MostSynAttempts = 6;

    private const int LargestHeadSize = GuestLink.LargestHeaderSize + TcpSegment.HeaderSize;

    private readonly RetransmissionTimer _timer = new();
    private uint _unacknowledged; // SND.UNA: the first byte of _toSend, once the SYN is acknowledged
    private uint _next;           // SND.NXT
    private uint _sendWindow;     // bytes
    private uint _largestWindow;
    private uint _windowSequence; // SND.WL1
    private uint _windowAcknowledgment; // SND.WL2
    private int _segmentSize = DefaultSegmentSize;
    private int _sendScale;
    private bool _isScaled;
    private bool _finSent;
    private bool _isProbing;      // the last byte sent lies outside of the guest's window
    private bool _isRecovering;
    private uint _recoveryEnd;
    private int _unanswered;

    /// <summary>Bytes of the headers before TCP's.</summary>
    private int TcpPlace => EthernetFrame.HeaderSize + _ipHeaderSize;

    private int HeadSize => TcpPlace + TcpSegment.HeaderSize;

    /// <summary>Bytes behind the headers: a packet has at most 65535 (IPv6 would allow its header more).</summary>
    private int LargestSegment => ushort.MaxValue - _ipHeaderSize - TcpSegment.HeaderSize;

    /// <summary>Sends what the window allows, then an acknowledgment if one is due.</summary>
    public void Output()
    {
        if (State is TcpState.Connecting or TcpState.SynSent or TcpState.SynReceived or TcpState.Closed)
        {
            return;
        }

        if (State != TcpState.TimeWait)
        {
            while (!IsBlocked && TrySendNext())
            {
            }
        }

        if (_ackWanted)
        {
            SendAck();
        }

        ArmRetransmission();
    }

    /// <summary>One segment, the largest possible.</summary>
    private bool TrySendNext()
    {
        if (_finSent)
        {
            return false;
        }

        int inFlight = (int)(_next - _unacknowledged);
        int unsent = _toSend.Count - inFlight;
        int usable = (int)Math.Min(int.MaxValue, _sendWindow > (uint)inFlight ? _sendWindow - (uint)inFlight : 0);
        int length = Math.Min(Math.Min(unsent, usable), LargestPiece());
        bool finishes = _hostEnded && unsent == 0;
        bool silly = length < unsent && length < _segmentSize && inFlight > 0 && (uint)length < _largestWindow / 2;
        if ((length == 0 && !finishes) || silly)
        {
            return false;
        }

        ReadOnlySpan<byte> data = length == 0 ? [] : _toSend.Peek(inFlight, length);
        bool fin = _hostEnded && data.Length == unsent;
        TcpFlags flags = TcpFlags.Ack | (data.Length == unsent && data.Length > 0 ? TcpFlags.Psh : 0) | (fin ? TcpFlags.Fin : 0);
        if (!TrySendSegment(flags, _next, data))
        {
            return false;
        }

        _next += (uint)data.Length + (fin ? 1u : 0);
        _timer.OnSent(_next, _nat.Clock.Now);
        if (fin)
        {
            _finSent = true;
            State = State == TcpState.CloseWait ? TcpState.LastAck : TcpState.FinWait1;
        }

        return true;
    }

    /// <summary>
    /// Bytes of one segment: many of the guest's at once if its card cuts them, which would repeat an urgent pointer in each.
    /// </summary>
    private int LargestPiece() =>
        _nat.Link.Accepts.HasFlag(_segmentation) && !_hasUrgentToGuest ? LargestSegment / _segmentSize * _segmentSize : _segmentSize;

    private void OnRetransmissionTime(long now)
    {
        if (IsBlocked)
        {
            SetDeadline(now + _timer.Interval); // the guest does not even empty its card: nothing was lost
            return;
        }

        if (_next == _unacknowledged)
        {
            SendWindowProbe();
        }
        else
        {
            bool opening = State is TcpState.SynSent or TcpState.SynReceived;
            if (++_unanswered > (opening ? MostSynAttempts : MostAttempts))
            {
                Abort();
                return;
            }

            _timer.OnExpired();
            _isRecovering = !opening && !_isProbing;
            _recoveryEnd = _next;
            Retransmit();
        }

        Output();
    }

    /// <summary>RFC 9293, "Zero-Window Probing": one byte more than the guest offers, so that it repeats its window.</summary>
    private void SendWindowProbe()
    {
        if (_toSend.Count > 0 && _sendWindow == 0 && TrySendSegment(TcpFlags.Ack, _next, _toSend.Peek(0, 1)))
        {
            _isProbing = true;
            _next++;
        }
    }

    /// <summary>Sends the oldest segment again.</summary>
    private void Retransmit()
    {
        if (State is TcpState.SynSent or TcpState.SynReceived)
        {
            SendSyn();
            ArmRetransmission();
            return;
        }

        int inFlight = (int)(_next - _unacknowledged) - (_finSent ? 1 : 0);
        int length = Math.Min(Math.Min(inFlight, _segmentSize), (int)Math.Clamp(_sendWindow, 1, int.MaxValue));
        ReadOnlySpan<byte> data = length == 0 ? [] : _toSend.Peek(0, length);
        bool fin = _finSent && data.Length == _toSend.Count;
        TrySendSegment(TcpFlags.Ack | (fin ? TcpFlags.Fin : 0), _unacknowledged, data);
    }

    private void ArmRetransmission()
    {
        if (State is TcpState.TimeWait or TcpState.Closed or TcpState.Connecting)
        {
            return;
        }

        bool inFlight = _next != _unacknowledged;
        bool closedWindow = _sendWindow == 0 && _toSend.Count > 0;
        if (!inFlight && !closedWindow)
        {
            Deadline = long.MaxValue;
        }
        else if (Deadline == long.MaxValue)
        {
            SetDeadline(_nat.Clock.Now + _timer.Interval);
        }
    }

    private void SendAck()
    {
        if (TrySendSegment(TcpFlags.Ack, _next, []))
        {
            _ackWanted = false;
        }
    }

    /// <summary>A segment without data whose loss is repaired elsewhere.</summary>
    private void SendControl(TcpFlags flags, uint sequence) => TrySendSegment(flags, sequence, []);

    /// <summary>SYN, with an acknowledgment if the guest's has been seen.</summary>
    private void SendSyn()
    {
        bool answers = State == TcpState.SynReceived;
        Span<byte> head = stackalloc byte[LargestHeadSize + 8];
        ushort most = (ushort)(_nat.Options.Mtu - _ipHeaderSize - TcpSegment.HeaderSize);
        int options = TcpSegment.WriteSynOptions(head[HeadSize..], most, !answers || _isScaled ? ReceiveScale : null);
        ushort window = (ushort)Math.Min(ushort.MaxValue, _received.Free);
        _receiveEdge = _receiveNext + window;
        Span<byte> tcp = head[TcpPlace..(HeadSize + options)];
        TcpSegment.WriteHeader(
            tcp, Key.RemotePort, Key.GuestPort, _initialSequence, answers ? _receiveNext : 0,
            answers ? TcpFlags.Syn | TcpFlags.Ack : TcpFlags.Syn, window, options);
        SendFrame(head[..(HeadSize + options)], tcp, []);
    }

    /// <returns>False if the guest's card has no room: <see cref="IsBlocked"/> is set, and the service calls again.</returns>
    private bool TrySendSegment(TcpFlags flags, uint sequence, ReadOnlySpan<byte> data)
    {
        Span<byte> head = stackalloc byte[LargestHeadSize];
        head = head[..HeadSize];
        Span<byte> tcp = head[TcpPlace..];
        ushort urgent = flags.HasFlag(TcpFlags.Rst) ? (ushort)0 : UrgentPointerFor(sequence);
        flags |= urgent == 0 ? TcpFlags.None : TcpFlags.Urg;
        TcpSegment.WriteHeader(tcp, Key.RemotePort, Key.GuestPort, sequence, _receiveNext, flags, AdvertiseWindow(), urgentPointer: urgent);
        if (SendFrame(head, tcp, data))
        {
            _ackWanted = false;
            return true;
        }

        _service.Block(this);
        return false;
    }

    /// <summary>
    /// Puts headers and checksum around a segment. While a guest's MAC address is being asked for, one without data waits, such as the
    /// first of a connection; one with data is lost and sent again.
    /// </summary>
    private bool SendFrame(Span<byte> head, Span<byte> tcp, ReadOnlySpan<byte> data)
    {
        int length = tcp.Length + data.Length;
        ulong sum = InternetChecksum.PseudoHeader(Key.Remote, Key.Guest, Ipv4Packet.ProtocolTcp, length);
        if (!_nat.Link.TryWriteHeaders(head, Key.Remote, Key.Guest, Ipv4Packet.ProtocolTcp, length, asks: !data.IsEmpty))
        {
            if (data.IsEmpty)
            {
                BinaryPrimitives.WriteUInt16BigEndian(
                    tcp[TcpSegment.ChecksumOffset..], InternetChecksum.Finish(InternetChecksum.Add(tcp, sum)));
                _nat.Link.SendPacket(Key.Remote, Key.Guest, Ipv4Packet.ProtocolTcp, tcp);
            }

            return true;
        }

        bool partial = _nat.Link.Accepts.HasFlag(FrameFeatures.PartialChecksum);
        ushort checksum = partial
            ? InternetChecksum.Fold(sum)
            : InternetChecksum.Finish(InternetChecksum.Add(data, InternetChecksum.Add(tcp, sum)));
        BinaryPrimitives.WriteUInt16BigEndian(tcp[TcpSegment.ChecksumOffset..], checksum);
        bool cut = data.Length > _segmentSize;
        return _nat.Link.TrySend(head, data, !partial ? FrameOffload.None : new FrameOffload
        {
            NeedsChecksum = true,
            ChecksumStart = (ushort)TcpPlace,
            ChecksumOffset = TcpSegment.ChecksumOffset,
            Segmentation = cut ? _segmentation : FrameFeatures.None,
            SegmentSize = cut ? (ushort)_segmentSize : (ushort)0,
            HeaderLength = (ushort)head.Length,
        });
    }

    /// <summary>The window field; what was offered once is never taken back.</summary>
    private ushort AdvertiseWindow()
    {
        int scale = _isScaled ? ReceiveScale : 0;
        uint window = Math.Min(ushort.MaxValue, (uint)_received.Free >> scale);
        uint edge = _receiveNext + (window << scale);
        if ((int)(edge - _receiveEdge) > 0)
        {
            _receiveEdge = edge;
            return (ushort)window;
        }

        return (ushort)Math.Min(ushort.MaxValue, ReceiveWindow >> scale);
    }
}
