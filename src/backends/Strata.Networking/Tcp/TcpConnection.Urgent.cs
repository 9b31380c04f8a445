using System.Net.Sockets;
using Strata.Networking.Frames;

namespace Strata.Networking.Tcp;

/// <content>
/// Urgent data: one byte of the stream is marked, and the mark travels with it. As Linux and all others do, the urgent pointer names the
/// byte behind the marked one, and of several marks under way the last one counts. RFC 6093, "On the Implementation of the TCP Urgent
/// Mechanism". The host's socket keeps the marked byte in line (SO_OOBINLINE): a read ends before it, SIOCATMARK says that it is next.
/// </content>
internal sealed partial class TcpConnection
{
    private readonly byte[] _atMark = new byte[sizeof(int)];
    private uint _toHost;             // sequence number of the next byte that the host's socket gets
    private uint _urgentFromGuest;    // sequence number of the marked byte
    private bool _hasUrgentFromGuest; // the host's socket has not got it yet
    private uint _urgentToGuest;      // sequence number behind the marked byte
    private bool _hasUrgentToGuest;   // the guest has not acknowledged it

    private static void KeepUrgentDataInLine(Socket socket) =>
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.OutOfBandInline, true);

    /// <summary>Notes the guest's mark. It may come before the byte does, and with every segment until then.</summary>
    private void TakeUrgentPointer(in TcpSegment segment)
    {
        uint marked = segment.Sequence + (uint)Math.Max(segment.UrgentPointer - 1, 0);
        bool isGone = (int)(marked - _toHost) < 0;
        bool isKnown = _hasUrgentFromGuest && (int)(marked - _urgentFromGuest) <= 0;
        if (segment.Has(TcpFlags.Urg) && !isGone && !isKnown)
        {
            _urgentFromGuest = marked;
            _hasUrgentFromGuest = true;
        }
    }

    /// <summary>Sends once: up to the marked byte, or that byte alone as urgent.</summary>
    private int SendToSocket(ReadOnlySpan<byte> data, out SocketError error)
    {
        uint before = _hasUrgentFromGuest ? _urgentFromGuest - _toHost : uint.MaxValue;
        bool isUrgent = before == 0;
        int length = isUrgent ? 1 : (int)Math.Min((uint)data.Length, before);
        int count = _socket.Send(data[..length], isUrgent ? SocketFlags.OutOfBand : SocketFlags.None, out error);
        if (error == SocketError.Success)
        {
            _toHost += (uint)count;
            _hasUrgentFromGuest &= !isUrgent;
        }

        return count;
    }

    /// <summary>Whether the next byte to read is marked.</summary>
    private bool IsAtMark() => _socket.IOControl(IOControlCode.OobDataRead, null, _atMark) > 0 && BitConverter.ToInt32(_atMark) != 0;

    /// <summary>The byte that the host's socket gives next is marked: the guest hears of it even while it takes no data.</summary>
    private void MarkNextByteToGuest()
    {
        _urgentToGuest = _unacknowledged + (uint)_toSend.Count + 1;
        _hasUrgentToGuest = true;
        _ackWanted = true;
    }

    private void ForgetUrgentIfAcknowledged() => _hasUrgentToGuest &= (int)(_urgentToGuest - _unacknowledged) > 0;

    /// <summary>The pointer of a segment; 0 for none. One that a mark far away does not fit into says that more is to come.</summary>
    private ushort UrgentPointerFor(uint sequence)
    {
        int distance = (int)(_urgentToGuest - sequence);
        return _hasUrgentToGuest && distance > 0 ? (ushort)Math.Min(distance, ushort.MaxValue) : (ushort)0;
    }
}
