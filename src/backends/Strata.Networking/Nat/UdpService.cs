using System.Net;
using System.Net.Sockets;
using Strata.Core.Time;
using Strata.Networking.Frames;
using Strata.Networking.Sockets;

namespace Strata.Networking.Nat;

/// <summary>
/// UDP between guests and host sockets: one connected socket a conversation, so that only the peer that the guest wrote to can answer.
/// Idle conversations end; their number is bounded. Under the network's gate.
/// </summary>
internal sealed class UdpService : IDisposable
{
    private const long IdleNanoseconds = 60_000_000_000;
    private const ushort DnsPort = 53;

    /// <summary>A query is answered soon or not at all.</summary>
    private const long DnsIdleNanoseconds = 15_000_000_000;

    /// <summary>Datagrams taken from one socket before others get their turn.</summary>
    private const int ReceiveBatch = 32;

    private readonly NatContext _nat;
    private readonly Dictionary<FlowKey, LinkedListNode<UdpFlow>> _flows = [];
    private readonly LinkedList<UdpFlow> _byUse = new(); // least recently used first
    private readonly List<UdpForwardListener> _listeners = [];
    private readonly IVirtualTimer _expiry;
    private readonly byte[] _data = new byte[0x10000];
    private readonly byte[] _datagram = new byte[0x10000];

    public UdpService(NatContext nat)
    {
        _nat = nat;
        _expiry = nat.Clock.CreateTimer(OnExpiry);
    }

    public int FlowCount => _flows.Count;

    /// <returns>Where it listens.</returns>
    public IPEndPoint Listen(PortForward forward)
    {
        UdpForwardListener listener = new(this, forward);
        _listeners.Add(listener);
        listener.Token = _nat.Poller.Add(listener.Socket, listener, edgeTriggered: false);
        return (IPEndPoint)listener.Socket.LocalEndPoint!;
    }

    public void OnDatagram(in GuestPacket packet, in UdpDatagram datagram)
    {
        FlowKey key = new(packet.Source, datagram.SourcePort, packet.Destination, datagram.DestinationPort);
        if (!_flows.TryGetValue(key, out LinkedListNode<UdpFlow>? node))
        {
            if (packet.Destination.IsMulticast
                || packet.Destination == Ipv4Address.Broadcast
                || packet.Destination == _nat.Options.Network.BroadcastAddress)
            {
                return;
            }

            if (!_nat.Addresses.Allows(packet.Destination, datagram.DestinationPort))
            {
                _nat.Icmp.SendUnreachable(Unreachable.Prohibited, packet.Bytes);
                return;
            }

            node = Open(key);
            if (node is null)
            {
                _nat.Icmp.SendUnreachable(Unreachable.Host, packet.Bytes);
                return;
            }
        }

        Touch(node);
        node.Value.Send(datagram.Data);
    }

    /// <summary>Takes a datagram of a conversation that there is.</summary>
    public bool TryTake(in Ipv4Packet packet, in UdpDatagram datagram)
    {
        FlowKey key = new(packet.Source, datagram.SourcePort, packet.Destination, datagram.DestinationPort);
        if (!_flows.TryGetValue(key, out LinkedListNode<UdpFlow>? node))
        {
            return false;
        }

        Touch(node);
        node.Value.Send(datagram.Data);
        return true;
    }

    /// <summary>A socket of a conversation has something.</summary>
    public void Receive(UdpFlow flow)
    {
        for (int i = 0; i < ReceiveBatch; i++)
        {
            int count = flow.Socket.Receive(_data, SocketFlags.None, out SocketError error);
            if (error != SocketError.Success)
            {
                flow.Report(error);
                return;
            }

            if (_flows.TryGetValue(flow.Key, out LinkedListNode<UdpFlow>? node))
            {
                Touch(node);
            }

            SendToGuest(flow.Key, _data.AsSpan(0, count));
        }
    }

    /// <summary>Somebody wrote to a forwarded port.</summary>
    public void ReceiveForwarded(UdpForwardListener listener)
    {
        EndPoint any = new IPEndPoint(listener.Socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        for (int i = 0; i < ReceiveBatch && listener.Socket.Poll(0, SelectMode.SelectRead); i++)
        {
            EndPoint peer = any;
            int count;
            try
            {
                count = listener.Socket.ReceiveFrom(_data, ref peer);
            }
            catch (SocketException)
            {
                return; // a late ICMP error of an earlier answer; the port stays open
            }

            if ((listener.Forward.Guest ?? _nat.Link.ForwardTarget) is not { } guest)
            {
                continue; // there is no guest yet
            }

            LinkedListNode<UdpFlow> node = FindPeer(guest, listener, (IPEndPoint)peer);
            Touch(node);
            SendToGuest(node.Value.Key, _data.AsSpan(0, count));
        }
    }

    public void ReportUnreachable(Unreachable reason, ReadOnlySpan<byte> quote) => _nat.Icmp.SendUnreachable(reason, quote);

    /// <summary>Under the gate.</summary>
    public void Dispose()
    {
        _expiry.Dispose();
        while (_byUse.First is { } node)
        {
            Close(node);
        }

        foreach (UdpForwardListener listener in _listeners)
        {
            _nat.Poller.Remove(listener.Socket, listener.Token);
            listener.Socket.Dispose();
        }

        _listeners.Clear();
    }

    private LinkedListNode<UdpFlow>? Open(FlowKey key)
    {
        if (_nat.Addresses.Translate(key.Remote, key.RemotePort) is not { } target)
        {
            return null;
        }

        if (HostSocket.TryConnect(target, SocketType.Dgram, ProtocolType.Udp, out _) is not { } socket)
        {
            return null;
        }

        UdpFlow flow = new(this, key, socket, peer: null);
        try
        {
            flow.Token = _nat.Poller.Add(socket, flow, edgeTriggered: false);
        }
        catch (IOException)
        {
            socket.Dispose();
            return null; // as any other reason why the host cannot send: the guest is told by ICMP
        }

        return Insert(flow);
    }

    /// <summary>A sender to a forwarded port appears to the guest as the gateway with the sender's port, or the next free one.</summary>
    private LinkedListNode<UdpFlow> FindPeer(Ipv4Address guest, UdpForwardListener listener, IPEndPoint peer)
    {
        FlowKey key = new(guest, (ushort)listener.Forward.GuestPort, _nat.Options.Gateway, (ushort)Math.Max(1, peer.Port));
        while (_flows.TryGetValue(key, out LinkedListNode<UdpFlow>? node))
        {
            if (peer.Equals(node.Value.Peer))
            {
                return node;
            }

            key = key with { RemotePort = (ushort)(key.RemotePort == ushort.MaxValue ? 1024 : key.RemotePort + 1) };
        }

        return Insert(new UdpFlow(this, key, listener.Socket, peer));
    }

    private LinkedListNode<UdpFlow> Insert(UdpFlow flow)
    {
        if (_flows.Count >= _nat.Options.MaxUdpFlows)
        {
            Close(_byUse.First!);
        }

        if (_flows.Count == 0)
        {
            _expiry.Arm(_nat.Clock.Now + DnsIdleNanoseconds);
        }

        LinkedListNode<UdpFlow> node = _byUse.AddLast(flow);
        _flows.Add(flow.Key, node);
        return node;
    }

    private void Touch(LinkedListNode<UdpFlow> node)
    {
        node.Value.LastUsed = _nat.Clock.Now;
        _byUse.Remove(node);
        _byUse.AddLast(node);
    }

    private void Close(LinkedListNode<UdpFlow> node)
    {
        UdpFlow flow = node.Value;
        _byUse.Remove(node);
        _flows.Remove(flow.Key);
        if (flow.Peer is null)
        {
            _nat.Poller.Remove(flow.Socket, flow.Token);
            flow.Socket.Dispose();
        }
    }

    private void SendToGuest(FlowKey key, ReadOnlySpan<byte> data)
    {
        if (data.Length > ushort.MaxValue - InternetPacket.HeaderSize(key.Guest) - UdpDatagram.HeaderSize)
        {
            return;
        }

        Span<byte> datagram = _datagram.AsSpan(0, UdpDatagram.HeaderSize + data.Length);
        UdpDatagram.Write(datagram, key.Remote, key.Guest, key.RemotePort, key.GuestPort, data);
        _nat.Link.SendPacket(key.Remote, key.Guest, Ipv4Packet.ProtocolUdp, datagram);
    }

    /// <summary>The clock's thread.</summary>
    private void OnExpiry()
    {
        lock (_nat.Gate)
        {
            long now = _nat.Clock.Now;
            for (LinkedListNode<UdpFlow>? node = _byUse.First; node is not null;)
            {
                LinkedListNode<UdpFlow>? next = node.Next;
                long idle = node.Value.Key.RemotePort == DnsPort ? DnsIdleNanoseconds : IdleNanoseconds;
                if (now - node.Value.LastUsed >= idle)
                {
                    Close(node);
                }

                node = next;
            }

            if (_flows.Count > 0)
            {
                _expiry.Arm(now + DnsIdleNanoseconds);
            }
        }
    }
}

/// <summary>The host's end of a forwarded UDP port. Under the network's gate.</summary>
internal sealed class UdpForwardListener(UdpService service, PortForward forward) : ISocketEvents
{
    public PortForward Forward => forward;

    public Socket Socket { get; } = HostSocket.Bind(forward, SocketType.Dgram, ProtocolType.Udp);

    public long Token { get; set; }

    public void OnReady(bool readable, bool writable) => service.ReceiveForwarded(this);
}
