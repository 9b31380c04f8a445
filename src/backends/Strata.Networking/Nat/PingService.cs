using System.Buffers.Binary;
using System.Net.Sockets;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>
/// Pings from guests to places outside, through the host's unprivileged ping sockets (Linux, icmp(7): the group has to be inside
/// sysctl net.ipv4.ping_group_range, as it is on most systems, and which is for IPv6 as well). The kernel puts its own identifier into a
/// request; the guest's comes back into the answer. Bounded and idle ones end. Under the network's gate.
/// </summary>
internal sealed class PingService(NatContext nat) : IDisposable
{
    public const int HeaderSize = 8;

    private const int MostFlows = 64;
    private const int IdentifierField = 4;
    private const int ReceiveBatch = 16;
    private const long IdleNanoseconds = 30_000_000_000;

    private readonly List<PingFlow> _flows = []; // least recently used first
    private readonly byte[] _answer = new byte[0x10000];

    public int FlowCount => _flows.Count;

    /// <param name="request">A whole echo request with a right checksum.</param>
    public void OnRequest(in GuestPacket packet, ReadOnlySpan<byte> request)
    {
        FlowKey key = new(packet.Source, BinaryPrimitives.ReadUInt16BigEndian(request[IdentifierField..]), packet.Destination, 0);
        if (!nat.Addresses.Allows(key.Remote, 0))
        {
            nat.Icmp.SendUnreachable(Unreachable.Prohibited, packet.Bytes);
            return;
        }

        CloseIdle();
        SocketError error = SocketError.HostUnreachable;
        PingFlow? flow = _flows.Find(candidate => candidate.Key == key) ?? Open(key, ref error);
        if (flow is null)
        {
            nat.Icmp.SendUnreachable(NatContext.ReasonOf(error) ?? Unreachable.Host, packet.Bytes);
            return;
        }

        Touch(flow);
        flow.Socket.Send(request, SocketFlags.None, out _); // what the host cannot send is lost, as any ping may be
    }

    /// <summary>An answer has come.</summary>
    public void Receive(PingFlow flow)
    {
        for (int i = 0; i < ReceiveBatch; i++)
        {
            int count = flow.Socket.Receive(_answer, SocketFlags.None, out SocketError error);
            if (error != SocketError.Success)
            {
                return;
            }

            if (count < HeaderSize || count > ushort.MaxValue - Ipv4Packet.HeaderSize)
            {
                continue;
            }

            Touch(flow);
            Span<byte> message = _answer.AsSpan(0, count);
            BinaryPrimitives.WriteUInt16BigEndian(message[IdentifierField..], flow.Key.GuestPort);
            nat.Icmp.Send(flow.Key.Remote, flow.Key.Guest, message);
        }
    }

    public void Dispose()
    {
        while (_flows.Count > 0)
        {
            Close(_flows[0]);
        }
    }

    /// <param name="error">Why there is none.</param>
    private PingFlow? Open(FlowKey key, ref SocketError error)
    {
        ProtocolType protocol = key.Remote.IsIpv4 ? ProtocolType.Icmp : ProtocolType.IcmpV6;
        if (nat.Addresses.Translate(key.Remote, 0) is not { } target
            || HostSocket.TryConnect(target, SocketType.Dgram, protocol, out error) is not { } socket)
        {
            return null;
        }

        PingFlow flow = new(this, key, socket);
        try
        {
            flow.Token = nat.Poller.Add(socket, flow, edgeTriggered: false);
        }
        catch (IOException)
        {
            socket.Dispose();
            return null; // as any other reason why the host cannot send: the guest is told by ICMP
        }

        if (_flows.Count == MostFlows)
        {
            Close(_flows[0]);
        }

        _flows.Add(flow);
        return flow;
    }

    private void Touch(PingFlow flow)
    {
        flow.LastUsed = nat.Clock.Now;
        _flows.Remove(flow);
        _flows.Add(flow);
    }

    /// <summary>At each request: a list this short needs no timer of its own.</summary>
    private void CloseIdle()
    {
        long now = nat.Clock.Now;
        while (_flows.Count > 0 && now - _flows[0].LastUsed > IdleNanoseconds)
        {
            Close(_flows[0]);
        }
    }

    private void Close(PingFlow flow)
    {
        _flows.Remove(flow);
        nat.Poller.Remove(flow.Socket, flow.Token);
        flow.Socket.Dispose();
    }
}
