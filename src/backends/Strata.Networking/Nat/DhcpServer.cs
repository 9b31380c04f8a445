using System.Buffers.Binary;
using System.Text;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>
/// Gives guests their addresses. RFC 2131, "Dynamic Host Configuration Protocol"; RFC 2132 for the options.
/// <code>
/// 0 op   1 htype   2 hlen   3 hops   4 xid (32)   8 secs   10 flags   12 ciaddr   16 yiaddr   20 siaddr   24 giaddr
/// 28 chaddr (16 bytes)   44 sname (64)   108 file (128)   236 magic cookie   240 options
/// </code>
/// A lease belongs to a MAC address and is never taken away; when all are given, the one that was asked for longest ago goes. A client
/// that knows an address from an earlier time gets it again if it is free.
/// Under the network's gate.
/// </summary>
internal sealed class DhcpServer(GuestLink link)
{
    public const ushort ServerPort = 67;
    public const ushort ClientPort = 68;

    /// <summary>Characters of the longest name in the field "file".</summary>
    public const int LongestBootFile = FileSize - 1;

    private const int FileField = 108, FileSize = 128;
    private const int FixedSize = 240;
    private const uint MagicCookie = 0x63825363;
    private const byte OpRequest = 1;
    private const byte OpReply = 2;
    private const ushort FlagBroadcast = 0x8000;
    private const uint LeaseSeconds = 86400;

    private const byte OptionPad = 0;
    private const byte OptionSubnetMask = 1;
    private const byte OptionRouter = 3;
    private const byte OptionDns = 6;
    private const byte OptionMtu = 26;
    private const byte OptionRequestedAddress = 50;
    private const byte OptionLeaseTime = 51;
    private const byte OptionMessageType = 53;
    private const byte OptionServer = 54;
    private const byte OptionEnd = 255;

    private const byte Discover = 1;
    private const byte Offer = 2;
    private const byte Request = 3;
    private const byte Ack = 5;
    private const byte Nak = 6;
    private const byte Inform = 8;

    private readonly Dictionary<MacAddress, Ipv4Address> _leases = [];
    private readonly List<MacAddress> _order = []; // of _leases, the one not heard of for longest first

    public int LeaseCount => _leases.Count;

    /// <summary>The one not heard of for longest first.</summary>
    public IEnumerable<(MacAddress Station, Ipv4Address Address)> Leases => _order.Select(station => (station, _leases[station]));

    private uint LastGuest => link.Options.Network.BroadcastAddress.Value - 1;

    public void OnMessage(ReadOnlySpan<byte> message)
    {
        if (message.Length < FixedSize || message[0] != OpRequest || message[1] != 1 || message[2] != MacAddress.Size
            || BinaryPrimitives.ReadUInt32BigEndian(message[236..]) != MagicCookie)
        {
            return;
        }

        MacAddress client = MacAddress.Read(message[28..]);
        if (client.IsGroup)
        {
            return;
        }

        ReadOnlySpan<byte> options = message[FixedSize..];
        byte type = Find(options, OptionMessageType) is [byte only] ? only : (byte)0;
        Ipv4Address? server = AddressOption(options, OptionServer);
        switch (type)
        {
            case Discover:
                Reply(message, Offer, Lease(client, AddressOption(options, OptionRequestedAddress)));
                break;
            case Request when server is null || server == link.Options.Gateway:
                Ipv4Address wanted = AddressOption(options, OptionRequestedAddress) ?? Ipv4Address.Read(message[12..]);
                Ipv4Address lease = Lease(client, wanted);
                Reply(message, wanted == lease ? Ack : Nak, wanted == lease ? lease : Ipv4Address.Any);
                if (wanted == lease)
                {
                    link.Expect(lease, client);
                }

                break;
            case Inform:
                Reply(message, Ack, Ipv4Address.Any);
                break;
            default:
                break; // RELEASE and DECLINE: the client's address stays its own
        }
    }

    /// <summary>The address that a server's message gives to a client, or null.</summary>
    public static Ipv4Address? FindGrant(ReadOnlySpan<byte> message, MacAddress client)
    {
        bool isGrant = message.Length >= FixedSize
            && message[0] == OpReply
            && BinaryPrimitives.ReadUInt32BigEndian(message[236..]) == MagicCookie
            && MacAddress.Read(message[28..]) == client && Find(message[FixedSize..], OptionMessageType) is [Ack];
        return isGrant && Ipv4Address.Read(message[16..]) is { Value: not 0 } address ? address : null;
    }

    /// <summary>The address that was given to a client, or null.</summary>
    public Ipv4Address? Find(MacAddress client) => _leases.TryGetValue(client, out Ipv4Address lease) ? lease : null;

    /// <summary>Replaces all leases, which are in the order of <see cref="Leases"/>.</summary>
    public void Load(IEnumerable<(MacAddress Station, Ipv4Address Address)> leases)
    {
        _leases.Clear();
        _order.Clear();
        foreach ((MacAddress station, Ipv4Address address) in leases)
        {
            _leases.Add(station, address);
            _order.Add(station);
        }
    }

    /// <summary>Gives a client without an address a certain one, if that is free.</summary>
    public bool TryReserve(MacAddress client, Ipv4Address address)
    {
        bool isGuests = address.Value >= link.Options.FirstGuest.Value && address.Value <= LastGuest
            && address != link.Options.Gateway && address != link.Options.Dns;
        if (!isGuests || client.IsGroup || _leases.ContainsKey(client) || _leases.ContainsValue(address))
        {
            return false;
        }

        _leases.Add(client, address);
        _order.Add(client);
        return true;
    }

    /// <summary>The client's address; if it has none, the one that it wishes, else a new one.</summary>
    private Ipv4Address Lease(MacAddress client, Ipv4Address? wish)
    {
        if (wish is { } wished && TryReserve(client, wished))
        {
            return wished;
        }

        _order.Remove(client);
        _order.Add(client);
        if (_leases.TryGetValue(client, out Ipv4Address known))
        {
            return known;
        }

        HashSet<Ipv4Address> taken = [.. _leases.Values, link.Options.Gateway, link.Options.Dns];
        for (uint value = link.Options.FirstGuest.Value; value <= LastGuest; value++)
        {
            if (!taken.Contains(new Ipv4Address(value)))
            {
                return _leases[client] = new Ipv4Address(value);
            }
        }

        MacAddress oldest = _order[0];
        Ipv4Address freed = _leases[oldest];
        _leases.Remove(oldest);
        _order.RemoveAt(0);
        return _leases[client] = freed;
    }

    private void Reply(ReadOnlySpan<byte> request, byte type, Ipv4Address yours)
    {
        UserNetworkOptions network = link.Options;
        Span<byte> message = stackalloc byte[FixedSize + 60];
        message.Clear();
        message[0] = OpReply;
        message[1] = 1;
        message[2] = MacAddress.Size;
        request.Slice(4, 4).CopyTo(message[4..]);   // xid
        request.Slice(10, 2).CopyTo(message[10..]); // flags
        Ipv4Address client = Ipv4Address.Read(request[12..]);
        if (type != Nak)
        {
            client.Write(message[12..]);
            yours.Write(message[16..]);
            network.Gateway.Write(message[20..]);
            Encoding.ASCII.GetBytes(network.BootFile ?? string.Empty, message.Slice(FileField, FileSize));
        }

        request.Slice(28, 16).CopyTo(message[28..]);
        BinaryPrimitives.WriteUInt32BigEndian(message[236..], MagicCookie);
        int at = FixedSize;
        at += Put(message[at..], OptionMessageType, type, 1);
        at += Put(message[at..], OptionServer, network.Gateway.Value, 4);
        if (type != Nak)
        {
            at += Put(message[at..], OptionSubnetMask, network.Network.Mask.Value, 4);
            at += Put(message[at..], OptionRouter, network.Gateway.Value, 4);
            at += Put(message[at..], OptionDns, network.Dns.Value, 4);
            at += Put(message[at..], OptionMtu, (uint)network.Mtu, 2);
            at += yours == Ipv4Address.Any ? 0 : Put(message[at..], OptionLeaseTime, LeaseSeconds, 4);
        }

        message[at] = OptionEnd;
        Send(request, type, client, yours, message);
    }

    /// <summary>RFC 2131, section 4.1: to the client's address if it has one, otherwise by MAC address or as a broadcast.</summary>
    private void Send(ReadOnlySpan<byte> request, byte type, Ipv4Address client, Ipv4Address yours, ReadOnlySpan<byte> message)
    {
        MacAddress station = MacAddress.Read(request[28..]);
        bool broadcast = (BinaryPrimitives.ReadUInt16BigEndian(request[10..]) & FlagBroadcast) != 0;
        Ipv4Address destination = client;
        if (type == Nak || (client == Ipv4Address.Any && (broadcast || yours == Ipv4Address.Any)))
        {
            destination = Ipv4Address.Broadcast;
            station = MacAddress.Broadcast;
        }
        else if (client == Ipv4Address.Any)
        {
            destination = yours;
        }

        Span<byte> datagram = stackalloc byte[UdpDatagram.HeaderSize + message.Length];
        UdpDatagram.Write(datagram, link.Options.Gateway, destination, ServerPort, ClientPort, message);
        link.SendPacket(station, link.Options.Gateway, destination, Ipv4Packet.ProtocolUdp, datagram);
    }

    private static int Put(Span<byte> place, byte option, uint value, int size)
    {
        place[0] = option;
        place[1] = (byte)size;
        for (int i = 0; i < size; i++)
        {
            place[2 + i] = (byte)(value >> (8 * (size - 1 - i)));
        }

        return 2 + size;
    }

    private static Ipv4Address? AddressOption(ReadOnlySpan<byte> options, byte option) =>
        Find(options, option) is { Length: 4 } value ? Ipv4Address.Read(value) : null;

    /// <returns>Empty if the option is missing or what comes before it is malformed.</returns>
    private static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> options, byte option)
    {
        while (!options.IsEmpty && options[0] != OptionEnd)
        {
            if (options[0] == OptionPad)
            {
                options = options[1..];
                continue;
            }

            if (options.Length < 2 || options[1] > options.Length - 2)
            {
                break;
            }

            if (options[0] == option)
            {
                return options.Slice(2, options[1]);
            }

            options = options[(2 + options[1])..];
        }

        return [];
    }
}
