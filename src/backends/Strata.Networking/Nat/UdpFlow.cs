using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Strata.Networking.Frames;
using Strata.Networking.Sockets;

namespace Strata.Networking.Nat;

/// <summary>One UDP conversation: a connected socket of its own, or a peer of a forwarded port. Under the network's gate.</summary>
internal sealed class UdpFlow(UdpService service, FlowKey key, Socket socket, EndPoint? peer) : ISocketEvents
{
    /// <summary>Enough of the guest's last packet for an ICMP error.</summary>
    private readonly byte[] _quote = new byte[InternetPacket.HeaderSize(key.Remote) + UdpDatagram.HeaderSize];

    public FlowKey Key => key;

    public Socket Socket => socket;

    /// <summary>Who sent to the forwarded port; null for a conversation that the guest began.</summary>
    public EndPoint? Peer => peer;

    /// <summary>The poller's number, where the socket is the flow's own.</summary>
    public long Token { get; set; }

    /// <summary>Nanoseconds on the network's clock.</summary>
    public long LastUsed { get; set; }

    /// <summary>A datagram from the guest to the host. What the host does not take is lost, as UDP may be.</summary>
    public void Send(ReadOnlySpan<byte> data)
    {
        if (peer is null)
        {
            WriteQuote(data.Length);
            socket.Send(data, SocketFlags.None, out SocketError error);
            Report(error);
            return;
        }

        try
        {
            socket.SendTo(data, SocketFlags.None, peer);
        }
        catch (SocketException)
        {
            // The peer has gone, or the host's queue is full: UDP promises nothing, and the forwarded port stays open for others.
        }
    }

    public void OnReady(bool readable, bool writable) => service.Receive(this);

    /// <summary>Tells the guest that nobody listens.</summary>
    public void Report(SocketError error)
    {
        if (error == SocketError.ConnectionRefused)
        {
            service.ReportUnreachable(Unreachable.Port, _quote);
        }
    }

    private void WriteQuote(int length)
    {
        InternetPacket.WriteHeader(_quote, key.Guest, key.Remote, Ipv4Packet.ProtocolUdp, UdpDatagram.HeaderSize);
        Span<byte> datagram = _quote.AsSpan(InternetPacket.HeaderSize(key.Remote));
        UdpDatagram.Write(datagram, key.Guest, key.Remote, key.GuestPort, key.RemotePort, []);
        BinaryPrimitives.WriteUInt16BigEndian(datagram[4..], (ushort)(UdpDatagram.HeaderSize + length));
    }
}
