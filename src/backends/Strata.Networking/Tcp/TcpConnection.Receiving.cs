using System.Net.Sockets;
using Strata.Networking.Frames;

namespace Strata.Networking.Tcp;

/// <content>What comes from the guest. RFC 9293, "SEGMENT ARRIVES".</content>
internal sealed partial class TcpConnection
{
    private const int DuplicatesForRetransmission = 3;

    private uint _receiveNext;
    private bool _hasCalledAgain;
    private uint _receiveEdge;   // first sequence number that was never offered
    private bool _finReceived;
    private bool _ackWanted;
    private int _duplicates;

    /// <summary>Bytes that may still come without the guest breaking the window.</summary>
    private uint ReceiveWindow => _receiveEdge - _receiveNext;

    public void OnSegment(in TcpSegment segment)
    {
        switch (State)
        {
            case TcpState.Connecting:
                OnSegmentConnecting(segment);
                return;
            case TcpState.SynSent:
                OnSegmentSynSent(segment);
                return;
            case TcpState.Closed:
                return;
            default:
                OnSegmentSynchronized(segment);
                return;
        }
    }

    /// <summary>RFC 9293, section 3.10.7.4: a connection in TIME-WAIT gives way to a SYN that cannot be an old one.</summary>
    public bool GivesWayTo(in TcpSegment segment) =>
        State == TcpState.TimeWait && (segment.Flags & (TcpFlags.Syn | TcpFlags.Ack | TcpFlags.Rst)) == TcpFlags.Syn
        && (int)(segment.Sequence - _receiveNext) > 0;

    /// <summary>The guest repeats its SYN, or has changed its mind.</summary>
    private void OnSegmentConnecting(in TcpSegment segment)
    {
        if (segment.Has(TcpFlags.Rst) && segment.Sequence == _receiveNext)
        {
            Drop();
        }
    }

    private void OnSegmentSynSent(in TcpSegment segment)
    {
        bool acknowledges = segment.Has(TcpFlags.Ack);
        if (acknowledges && segment.Acknowledgment != _next)
        {
            if (!segment.Has(TcpFlags.Rst))
            {
                SendControl(TcpFlags.Rst, segment.Acknowledgment);
                CallAgain();
            }

            return;
        }

        if (segment.Has(TcpFlags.Rst))
        {
            if (acknowledges)
            {
                Drop(); // refused
            }

            return;
        }

        if (!segment.Has(TcpFlags.Syn))
        {
            return;
        }

        _receiveNext = _toHost = segment.Sequence + 1;
        TakeSynOptions(segment);
        TakeWindow(segment, scaled: false);
        if (!acknowledges)
        {
            State = TcpState.SynReceived; // both called at the same time
            SendSyn();
            return;
        }

        _unacknowledged = segment.Acknowledgment;
        _timer.OnAcknowledged(segment.Acknowledgment, _nat.Clock.Now);
        _unanswered = 0;
        State = TcpState.Established;
        _ackWanted = true;
        Deadline = long.MaxValue;
        Work();
    }

    /// <summary>
    /// The guest remembered another connection of the same ports, which the reset has ended: it need not wait for the timer. Once only,
    /// as the answer may be the same.
    /// </summary>
    private void CallAgain()
    {
        if (!_hasCalledAgain)
        {
            _hasCalledAgain = true;
            SendSyn();
        }
    }

    private void OnSegmentSynchronized(in TcpSegment segment)
    {
        if (State == TcpState.SynReceived && segment.Has(TcpFlags.Syn) && segment.Sequence + 1 == _receiveNext)
        {
            SendSyn(); // the guest has missed the answer
            return;
        }

        if (!IsAcceptable(segment))
        {
            OnUnacceptable(segment);
            return;
        }

        if (segment.Has(TcpFlags.Rst))
        {
            OnReset(segment);
            return;
        }

        if (segment.Has(TcpFlags.Syn))
        {
            SendAck(); // RFC 5961, section 4
            return;
        }

        if (!segment.Has(TcpFlags.Ack) || !TakeAcknowledgment(segment))
        {
            return;
        }

        TakeUrgentPointer(segment);
        TakeData(segment);
        if (State != TcpState.Closed)
        {
            Work();
        }
    }

    /// <summary>RFC 9293, table "Segment Acceptability Tests".</summary>
    private bool IsAcceptable(in TcpSegment segment)
    {
        uint length = segment.SequenceLength;
        uint window = ReceiveWindow;
        uint first = segment.Sequence - _receiveNext;
        if (length == 0)
        {
            return window == 0 ? first == 0 : first < window;
        }

        return window > 0 && (first < window || segment.Sequence + length - 1 - _receiveNext < window);
    }

    /// <summary>RFC 5961, section 3: only the exact sequence number resets; others are asked again.</summary>
    private void OnReset(in TcpSegment segment)
    {
        if (segment.Sequence == _receiveNext)
        {
            Drop();
        }
        else
        {
            SendAck();
        }
    }

    /// <summary>
    /// Outside of the window: the guest is told what is expected. With a window of zero its acknowledgment counts all the same.
    /// </summary>
    private void OnUnacceptable(in TcpSegment segment)
    {
        if (segment.Has(TcpFlags.Rst))
        {
            return;
        }

        SendAck();
        if (ReceiveWindow == 0 && segment.Sequence == _receiveNext && segment.Has(TcpFlags.Ack) && TakeAcknowledgment(segment))
        {
            Work();
        }
    }

    /// <returns>False if the segment has no further effect.</returns>
    private bool TakeAcknowledgment(in TcpSegment segment)
    {
        uint acknowledgment = segment.Acknowledgment;
        uint advance = acknowledgment - _unacknowledged;
        uint inFlight = _next - _unacknowledged;
        if (advance > inFlight)
        {
            bool old = (int)advance < 0;
            if (State == TcpState.SynReceived)
            {
                SendControl(TcpFlags.Rst, acknowledgment);
                return false;
            }

            if (!old)
            {
                SendAck(); // of what was never sent
            }

            return old;
        }

        _unanswered = 0;
        if (State == TcpState.SynReceived)
        {
            if (advance == 0)
            {
                return false;
            }

            State = TcpState.Established;
            _unacknowledged++;
            advance--;
            _timer.OnAcknowledged(acknowledgment, _nat.Clock.Now);
            Deadline = long.MaxValue;
            TakeWindow(segment, scaled: true);
        }

        if (advance > 0)
        {
            OnAcknowledged(acknowledgment, advance);
        }
        else
        {
            CountDuplicate(segment, inFlight);
        }

        if ((int)(segment.Sequence - _windowSequence) > 0
            || (segment.Sequence == _windowSequence && (int)(acknowledgment - _windowAcknowledgment) >= 0))
        {
            TakeWindow(segment, scaled: true);
        }

        return State != TcpState.Closed;
    }

    private void OnAcknowledged(uint acknowledgment, uint advance)
    {
        int data = (int)Math.Min(advance, (uint)_toSend.Count);
        _toSend.Skip(data);
        _unacknowledged = acknowledgment;
        ForgetUrgentIfAcknowledged();
        _duplicates = 0;
        _isProbing = false;
        _timer.OnAcknowledged(acknowledgment, _nat.Clock.Now);
        Deadline = long.MaxValue; // Work arms it again if anything is in flight
        if (_finSent && acknowledgment == _next)
        {
            OnFinAcknowledged();
        }
        else if (_isRecovering)
        {
            _isRecovering = (int)(_recoveryEnd - acknowledgment) > 0;
            if (_isRecovering)
            {
                Retransmit(); // RFC 6582: a partial acknowledgment names the next hole
            }
        }
    }

    private void OnFinAcknowledged()
    {
        switch (State)
        {
            case TcpState.FinWait1:
                State = TcpState.FinWait2;
                break;
            case TcpState.Closing:
                EnterTimeWait();
                break;
            case TcpState.LastAck when _received.Count > 0:
                EnterTimeWait();
                break;
            case TcpState.LastAck:
                Finish();
                break;
            default:
                break;
        }
    }

    /// <summary>RFC 5681, "Fast Retransmit": the same acknowledgment three times over means a hole.</summary>
    private void CountDuplicate(in TcpSegment segment, uint inFlight)
    {
        bool sameWindow = (uint)segment.Window << _sendScale == _sendWindow;
        if (inFlight == 0
            || segment.SequenceLength != 0
            || !sameWindow
            || _isProbing
            || ++_duplicates != DuplicatesForRetransmission
            || _isRecovering)
        {
            return;
        }

        _isRecovering = true;
        _recoveryEnd = _next;
        Retransmit();
    }

    private void TakeWindow(in TcpSegment segment, bool scaled)
    {
        uint window = scaled ? (uint)segment.Window << _sendScale : segment.Window;
        if (_isProbing && window > 0 && segment.Acknowledgment == _unacknowledged)
        {
            _isProbing = false;
            _next = _unacknowledged; // the guest did not take the probe: begin again with it
        }

        _sendWindow = window;
        _largestWindow = Math.Max(_largestWindow, window);
        _windowSequence = segment.Sequence;
        _windowAcknowledgment = segment.Acknowledgment;
    }

    /// <summary>Data and FIN in order go on to the host; what comes early is asked for again, what came before is cut off.</summary>
    private void TakeData(in TcpSegment segment)
    {
        if (segment.SequenceLength == 0)
        {
            return;
        }

        _ackWanted = true;
        uint repeated = _receiveNext - segment.Sequence;
        if ((int)repeated < 0 || State is not (TcpState.Established or TcpState.FinWait1 or TcpState.FinWait2))
        {
            return;
        }

        ReadOnlySpan<byte> data = segment.Data;
        data = repeated >= (uint)data.Length ? [] : data[(int)repeated..];
        int allowed = (int)Math.Min((uint)data.Length, ReceiveWindow);
        int taken = GiveToHost(data[..allowed]);
        if (State == TcpState.Closed)
        {
            return;
        }

        _receiveNext += (uint)taken;
        bool atEnd = segment.Sequence + segment.SequenceLength - 1 == _receiveNext;
        if (segment.Has(TcpFlags.Fin) && atEnd && taken == data.Length)
        {
            TakeFin();
        }
    }

    private void TakeFin()
    {
        _receiveNext++;
        _receiveEdge = (int)(_receiveEdge - _receiveNext) < 0 ? _receiveNext : _receiveEdge; // a FIN needs no room
        _finReceived = true;
        ShutDownSocketIfDrained();
        switch (State)
        {
            case TcpState.Established:
                State = TcpState.CloseWait;
                break;
            case TcpState.FinWait1:
                State = TcpState.Closing;
                break;
            case TcpState.FinWait2:
                SendAck();
                EnterTimeWait();
                break;
            default:
                break;
        }
    }
}
