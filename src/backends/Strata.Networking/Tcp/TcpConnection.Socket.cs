using System.Net.Sockets;
using Strata.Networking.Nat;

namespace Strata.Networking.Tcp;

/// <content>The host's side: a non-blocking socket whose events only set flags, so that whoever has the gate moves the bytes.</content>
internal sealed partial class TcpConnection
{
    /// <summary>Bytes asked of the host socket at once.</summary>
    private const int ReadSize = 1 << 16;

    /// <summary>How soon a connection that got no buffer asks again.</summary>
    private const long MemoryRetryNanoseconds = 50_000_000;

    private readonly Socket _socket;
    private long _token;
    private bool _isConnected;
    private bool _isReadable;
    private bool _isWritable;
    private bool _hostEnded;        // the host sends no more
    private bool _socketShutDown;   // the host was told that the guest sends no more
    private bool _socketClosed;

    /// <summary>Starts to watch the socket.</summary>
    public void Watch() => _token = _nat.Poller.Add(_socket, this, edgeTriggered: true);

    public void OnReady(bool readable, bool writable)
    {
        if (!_isConnected)
        {
            OnConnectionAttempt(readable, writable);
            return;
        }

        _isReadable |= readable;
        _isWritable |= writable;
        if (writable)
        {
            EmptyIntoHost();
        }

        if (State != TcpState.Closed)
        {
            Work();
        }
    }

    /// <summary>Moves bytes in both directions as far as they go.</summary>
    public void Work()
    {
        if (State is TcpState.Established or TcpState.CloseWait)
        {
            FillFromHost();
        }

        Output();
    }

    private void OnConnectionAttempt(bool readable, bool writable)
    {
        if (!writable || State != TcpState.Connecting)
        {
            return;
        }

        SocketError error = (SocketError)(int)_socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)!;
        if (error != SocketError.Success)
        {
            _service.OnConnectionFailed(this, error);
            return;
        }

        OnHostConnected();
        _isReadable = readable;
    }

    /// <summary>The host has answered: so does the gateway.</summary>
    private void OnHostConnected()
    {
        _isConnected = true;
        _isWritable = true;
        State = TcpState.SynReceived;
        SendSyn();
        _next++;
        _timer.OnSent(_next, _nat.Clock.Now);
        ArmRetransmission();
    }

    /// <summary>Data from the guest, into the socket if nothing waits before it, else into the queue.</summary>
    /// <returns>Bytes taken; the guest sends the rest again.</returns>
    private int GiveToHost(ReadOnlySpan<byte> data)
    {
        int taken = 0;
        while (taken < data.Length && _received.Count == 0 && _isWritable)
        {
            int count = TrySend(data[taken..]);
            if (State == TcpState.Closed)
            {
                return taken;
            }

            taken += count;
        }

        return taken + _received.Write(data[taken..]);
    }

    /// <summary>The socket has room again: what waits goes out, and the guest hears of a window that has opened much.</summary>
    private void EmptyIntoHost()
    {
        bool wasFull = _received.Count > 0;
        while (_received.Count > 0 && _isWritable)
        {
            int count = TrySend(_received.Peek(0, _received.Count));
            if (State == TcpState.Closed)
            {
                return;
            }

            _received.Skip(count);
        }

        uint opened = _receiveNext + (uint)_received.Free - _receiveEdge;
        _ackWanted |= wasFull
            && (int)opened >= Math.Min(ReceiveLimit / 4, 2 * _segmentSize)
            && !_finReceived
            && (ReceiveWindow < ReceiveLimit / 2);
        ShutDownSocketIfDrained();
    }

    /// <summary>Sends once.</summary>
    private int TrySend(ReadOnlySpan<byte> data)
    {
        int count = SendToSocket(data, out SocketError error);
        if (error == SocketError.Success)
        {
            return count;
        }

        _isWritable = false;
        if (error is not (SocketError.WouldBlock or SocketError.IOPending))
        {
            Abort();
        }

        return 0;
    }

    /// <summary>Reads the socket while it has something and the guest takes it.</summary>
    private void FillFromHost()
    {
        while (_isReadable && !_hostEnded && _toSend.Free > 0)
        {
            Span<byte> place = _toSend.WritableSpan(Math.Min(ReadSize, _toSend.Free));
            if (place.IsEmpty)
            {
                RetryLater();
                return;
            }

            bool isAtMark = IsAtMark();
            int count = _socket.Receive(place[..Math.Min(place.Length, ReadSize)], SocketFlags.None, out SocketError error);
            if (error is SocketError.WouldBlock or SocketError.IOPending)
            {
                _isReadable = false;
                return;
            }

            if (error != SocketError.Success)
            {
                Abort();
                return;
            }

            if (isAtMark && count > 0)
            {
                MarkNextByteToGuest();
            }

            _toSend.Append(count);
            _hostEnded = count == 0;
            Output();
            if (State is not (TcpState.Established or TcpState.CloseWait))
            {
                return;
            }
        }
    }

    /// <summary>All buffers are in use and none of them is this connection's: nobody else would call again.</summary>
    private void RetryLater()
    {
        if (_toSend.Count == 0)
        {
            _service.RetryAt(this, _nat.Clock.Now + MemoryRetryNanoseconds);
        }
    }

    private void ShutDownSocketIfDrained()
    {
        if (!_finReceived || _received.Count > 0 || _socketShutDown || _socketClosed)
        {
            return;
        }

        _socketShutDown = true;
        if (State == TcpState.TimeWait)
        {
            CloseSocket(reset: false);
            return;
        }

        try
        {
            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // The host's peer has reset the connection: the next read says so and ends both sides.
        }
    }

    private void CloseSocket(bool reset)
    {
        if (_socketClosed)
        {
            return;
        }

        _socketClosed = true;
        _nat.Poller.Remove(_socket, _token);
        if (reset)
        {
            _socket.LingerState = new LingerOption(enable: true, seconds: 0);
        }

        _socket.Dispose();
    }
}
