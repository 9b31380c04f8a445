using System.Net;
using System.Net.Sockets;
using Strata.Core.Time;
using Strata.Networking.Frames;
using Strata.Networking.Nat;

namespace Strata.Networking.Tcp;

/// <summary>The connections of a user-mode network: finds them, opens them, gives them time. Under the network's gate.</summary>
internal sealed class TcpService : IDisposable
{
    private const ushort FirstForwardPort = 49152;

    private readonly NatContext _nat;
    private readonly Dictionary<FlowKey, TcpConnection> _connections = [];
    private readonly List<TcpConnection> _blocked = [];
    private readonly List<(TcpConnection Connection, long At)> _retries = [];
    private readonly List<TcpForwardListener> _listeners = [];
    private readonly List<TcpConnection> _due = [];
    private readonly IVirtualTimer _timer;
    private long _armedFor = long.MaxValue;
    private ushort _lastForwardPort = FirstForwardPort;

    public TcpService(NatContext nat)
    {
        _nat = nat;
        Budget = new BufferBudget(nat.Options.MaxBufferedBytes);
        Sequences = new InitialSequences(nat.Clock);
        _timer = nat.Clock.CreateTimer(OnTimer);
    }

    public BufferBudget Budget { get; }

    public InitialSequences Sequences { get; }

    public int ConnectionCount => _connections.Count;

    /// <returns>Where it listens.</returns>
    public IPEndPoint Listen(PortForward forward)
    {
        TcpForwardListener listener = new(this, forward);
        _listeners.Add(listener);
        listener.Token = _nat.Poller.Add(listener.Socket, listener, edgeTriggered: false);
        return (IPEndPoint)listener.Socket.LocalEndPoint!;
    }

    public void OnSegment(in GuestPacket packet, in TcpSegment segment)
    {
        FlowKey key = new(packet.Source, segment.SourcePort, packet.Destination, segment.DestinationPort);
        if (_connections.TryGetValue(key, out TcpConnection? connection))
        {
            if (!connection.GivesWayTo(segment))
            {
                connection.OnSegment(segment);
                return;
            }

            connection.Drop();
        }

        if (segment.Has(TcpFlags.Rst))
        {
            return;
        }

        if ((segment.Flags & (TcpFlags.Syn | TcpFlags.Ack)) != TcpFlags.Syn || !HasRoom())
        {
            Refuse(key, segment);
            return;
        }

        Open(key, segment, packet.Bytes);
    }

    /// <summary>Takes a segment of a connection that there is.</summary>
    public bool TryTake(in Ipv4Packet packet, in TcpSegment segment)
    {
        FlowKey key = new(packet.Source, segment.SourcePort, packet.Destination, segment.DestinationPort);
        if (!_connections.TryGetValue(key, out TcpConnection? connection) || connection.GivesWayTo(segment))
        {
            return false;
        }

        connection.OnSegment(segment);
        return true;
    }

    /// <summary>The guest's card has room again.</summary>
    public void Resume()
    {
        TcpConnection[] waiting = [.. _blocked];
        _blocked.Clear();
        foreach (TcpConnection connection in waiting)
        {
            connection.IsBlocked = false;
        }

        foreach (TcpConnection connection in waiting)
        {
            if (connection.State != TcpState.Closed)
            {
                connection.Work();
            }
        }
    }

    public void Block(TcpConnection connection)
    {
        if (!connection.IsBlocked)
        {
            connection.IsBlocked = true;
            _blocked.Add(connection);
        }
    }

    /// <summary>Calls <see cref="TcpConnection.Work"/> at a time in nanoseconds.</summary>
    public void RetryAt(TcpConnection connection, long at)
    {
        if (!_retries.Exists(retry => retry.Connection == connection))
        {
            _retries.Add((connection, at));
        }

        ArmTimer(at);
    }

    public void ArmTimer(long deadline)
    {
        if (deadline < _armedFor)
        {
            _armedFor = deadline;
            _timer.Arm(deadline);
        }
    }

    public void Remove(TcpConnection connection)
    {
        if (_connections.TryGetValue(connection.Key, out TcpConnection? known) && known == connection)
        {
            _connections.Remove(connection.Key);
        }

        _blocked.Remove(connection);
        _retries.RemoveAll(retry => retry.Connection == connection);
    }

    /// <summary>The host could not connect: what the guest hears depends on why.</summary>
    public void OnConnectionFailed(TcpConnection connection, SocketError error)
    {
        if (NatContext.ReasonOf(error) is { } reason)
        {
            Span<byte> quote = stackalloc byte[InternetPacket.LargestHeaderSize + TcpSegment.HeaderSize];
            _nat.Icmp.SendUnreachable(reason, quote[..connection.WriteQuote(quote)]);
            connection.Drop();
        }
        else
        {
            connection.Abort();
        }
    }

    /// <summary>Somebody connected to a forwarded port.</summary>
    public void Accept(TcpForwardListener listener)
    {
        while (listener.Socket.Poll(0, SelectMode.SelectRead))
        {
            if (HostSocket.TryAccept(listener.Socket, out IPEndPoint? caller) is not { } socket)
            {
                return;
            }

            if (caller is null || (listener.Forward.Guest ?? _nat.Link.ForwardTarget) is not { } guest || !HasRoom())
            {
                socket.Dispose();
                continue;
            }

            FlowKey key = ChooseForwardKey(guest, listener.Forward, caller);
            TcpConnection connection = new(this, _nat, key, socket);
            _connections.Add(key, connection);
            if (TryWatch(connection))
            {
                connection.CallGuest();
            }
            else
            {
                connection.Drop();
            }
        }
    }

    /// <summary>
    /// The connections that the guest believes in, in the order of their ends. One that it waits for is none: it will ask again.
    /// </summary>
    public IEnumerable<TcpResetState> SaveConnections() => _connections.Values
        .Where(connection => connection.IsKnownToTheGuest)
        .OrderBy(
            connection => (connection.Key.Guest.Value, connection.Key.GuestPort, connection.Key.Remote.Value, connection.Key.RemotePort))
        .Select(connection => new TcpResetState
        {
            Guest = connection.Key.Guest.Value,
            GuestPort = connection.Key.GuestPort,
            Remote = connection.Key.Remote.Value,
            RemotePort = connection.Key.RemotePort,
            Sequence = connection.SendNext,
            Acknowledgment = connection.ReceiveNext,
        });

    /// <summary>Ends every connection without a word to the guest; hosts see them reset.</summary>
    public void DropAll()
    {
        foreach (TcpConnection connection in _connections.Values.ToArray())
        {
            connection.Drop();
        }
    }

    /// <summary>
    /// The guest is as it was saved. A connection that has moved no byte since goes on, as both ends are where they were; every other one
    /// ends without a word to the guest, and hosts see it reset.
    /// </summary>
    /// <returns>The saved connections that are not there any more, or have moved on.</returns>
    public IReadOnlyList<TcpResetState> KeepOnly(IReadOnlyList<TcpResetState> saved)
    {
        HashSet<TcpConnection> kept = [];
        List<TcpResetState> lost = [];
        foreach (TcpResetState state in saved)
        {
            FlowKey key = new(new InternetAddress(state.Guest), state.GuestPort, new InternetAddress(state.Remote), state.RemotePort);
            if (_connections.TryGetValue(key, out TcpConnection? connection) && connection.IsAt(state.Sequence, state.Acknowledgment))
            {
                kept.Add(connection);
            }
            else
            {
                lost.Add(state);
            }
        }

        foreach (TcpConnection connection in _connections.Values.Where(connection => !kept.Contains(connection)).ToArray())
        {
            connection.Drop();
        }

        return lost;
    }

    /// <summary>A reset for the guest.</summary>
    /// <param name="acknowledgment">Null for a segment without one.</param>
    public void SendReset(FlowKey key, uint sequence, uint? acknowledgment)
    {
        Span<byte> tcp = stackalloc byte[TcpSegment.HeaderSize];
        TcpSegment.WriteHeader(
            tcp, key.RemotePort, key.GuestPort, sequence, acknowledgment ?? 0, acknowledgment is null
                ? TcpFlags.Rst
                : TcpFlags.Rst | TcpFlags.Ack, window: 0);
        ulong sum = InternetChecksum.PseudoHeader(key.Remote, key.Guest, Ipv4Packet.ProtocolTcp, tcp.Length);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(
            tcp[TcpSegment.ChecksumOffset..], InternetChecksum.Finish(InternetChecksum.Add(tcp, sum)));
        _nat.Link.SendPacket(key.Remote, key.Guest, Ipv4Packet.ProtocolTcp, tcp);
    }

    /// <summary>Under the gate.</summary>
    public void Dispose()
    {
        _timer.Dispose();
        foreach (TcpForwardListener listener in _listeners)
        {
            _nat.Poller.Remove(listener.Socket, listener.Token);
            listener.Socket.Dispose();
        }

        _listeners.Clear();
        DropAll();
    }

    /// <param name="quote">The whole packet, for an error.</param>
    private void Open(FlowKey key, in TcpSegment syn, ReadOnlySpan<byte> quote)
    {
        if (!_nat.Addresses.Allows(key.Remote, key.RemotePort))
        {
            _nat.Icmp.SendUnreachable(Unreachable.Prohibited, quote);
            return;
        }

        if (_nat.Addresses.Translate(key.Remote, key.RemotePort) is not { } target)
        {
            _nat.Icmp.SendUnreachable(Unreachable.Host, quote);
            return;
        }

        if (HostSocket.TryConnect(target, SocketType.Stream, ProtocolType.Tcp, out SocketError error) is not { } socket)
        {
            if (NatContext.ReasonOf(error) is { } reason)
            {
                _nat.Icmp.SendUnreachable(reason, quote);
            }
            else
            {
                Refuse(key, syn);
            }

            return;
        }

        TcpConnection connection = new(this, _nat, key, socket);
        connection.Begin(syn);
        _connections.Add(key, connection);
        if (!TryWatch(connection))
        {
            connection.Abort();
        }
    }

    /// <summary>Starts the events of a connection's socket.</summary>
    private static bool TryWatch(TcpConnection connection)
    {
        try
        {
            connection.Watch();
            return true;
        }
        catch (IOException)
        {
            return false; // the host watches no more sockets: the caller ends the connection, and both sides see a reset
        }
    }

    /// <summary>A caller appears to the guest as the gateway with the caller's port, or the next free one.</summary>
    private FlowKey ChooseForwardKey(Ipv4Address guest, PortForward forward, IPEndPoint caller)
    {
        FlowKey key = new(guest, (ushort)forward.GuestPort, _nat.Options.Gateway, (ushort)caller.Port);
        while (_connections.ContainsKey(key))
        {
            _lastForwardPort = _lastForwardPort == ushort.MaxValue ? FirstForwardPort : (ushort)(_lastForwardPort + 1);
            key = key with { RemotePort = _lastForwardPort };
        }

        return key;
    }

    /// <summary>A full table forgets a connection that is only remembered for its peer's sake, if there is one.</summary>
    private bool HasRoom()
    {
        if (_connections.Count < _nat.Options.MaxConnections)
        {
            return true;
        }

        TcpConnection? finished = _connections.Values.FirstOrDefault(connection => connection.State == TcpState.TimeWait);
        finished?.Drop();
        return finished is not null;
    }

    /// <summary>RFC 9293, section 3.5.2: a reset for a segment of no connection.</summary>
    private void Refuse(FlowKey key, in TcpSegment segment)
    {
        bool acknowledges = segment.Has(TcpFlags.Ack);
        SendReset(
            key,
            acknowledges ? segment.Acknowledgment : 0,
            acknowledges ? null : segment.Sequence + segment.SequenceLength);
    }

    /// <summary>The clock's thread.</summary>
    private void OnTimer()
    {
        lock (_nat.Gate)
        {
            long now = _nat.Clock.Now;
            _armedFor = long.MaxValue;
            RunRetries(now);
            _due.Clear();
            foreach (TcpConnection connection in _connections.Values)
            {
                if (connection.Deadline <= now)
                {
                    _due.Add(connection);
                }
            }

            foreach (TcpConnection connection in _due)
            {
                if (connection.Deadline <= now)
                {
                    connection.OnTimer();
                }
            }

            long next = long.MaxValue;
            foreach (TcpConnection connection in _connections.Values)
            {
                next = Math.Min(next, connection.Deadline);
            }

            foreach ((_, long at) in _retries)
            {
                next = Math.Min(next, at);
            }

            ArmTimer(next);
        }
    }

    private void RunRetries(long now)
    {
        TcpConnection[] ready = [.. _retries.Where(retry => retry.At <= now).Select(retry => retry.Connection)];
        _retries.RemoveAll(retry => retry.At <= now);
        foreach (TcpConnection connection in ready)
        {
            connection.Work();
        }
    }
}
