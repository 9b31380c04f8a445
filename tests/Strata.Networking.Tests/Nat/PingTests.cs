using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Strata.Networking.Nat;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestFrames;

namespace Strata.Networking.Tests.Nat;

/// <summary>Pings to the outside, for which an address of the host's own stands here.</summary>
public sealed class PingTests
{
    private const long Second = 1_000_000_000;

    [PingFact]
    public void Ping_AddressOutside_IsAnsweredWithTheGuestsIdentifierAndData()
    {
        using NatBench bench = new();
        byte[] outside = PingFactAttribute.Outside!.GetAddressBytes();
        byte[] rest = [0xAB, 0xCD, 0, 3, .. "some data"u8];

        bench.Send(Packet(Guest, outside, IcmpProtocol, Message(8, rest)));

        Assert.Equal(Message(0, rest), OpenIpv4(bench.Take().Bytes, IcmpProtocol, outside, Guest));
    }

    [Ipv6PingFact]
    public void Ping_Ipv6AddressOutside_IsAnsweredWithTheGuestsIdentifierAndData()
    {
        using NatBench bench = new();
        byte[] outside = Ipv6PingFactAttribute.Outside!.GetAddressBytes();
        byte[] rest = [0xAB, 0xCD, 0, 3, .. "some data"u8];

        bench.Send(Packet(Guest6, outside, Icmp6Protocol, Icmp6(Guest6, outside, 128, 0, rest)));

        Assert.Equal(Icmp6(outside, Guest6, 129, 0, rest), OpenIpv6(bench.Take().Bytes, Icmp6Protocol, outside, Guest6));
    }

    [PingFact]
    public void Ping_ManyAndIdle_AreForgotten()
    {
        using NatBench bench = new();
        byte[] outside = PingFactAttribute.Outside!.GetAddressBytes();
        for (ushort i = 0; i < 100; i++)
        {
            bench.Send(Packet(Guest, outside, IcmpProtocol, Message(8, [.. Big16(i), 0, 1])));
        }

        Assert.Equal(64, bench.Network.TableSizes.Pings);
        bench.Clock.Advance(31 * Second);
        bench.Send(Packet(Guest, outside, IcmpProtocol, Message(8, [1, 2, 0, 1])));
        Assert.Equal(1, bench.Network.TableSizes.Pings);
    }

    [Fact]
    public void Ping_DeniedPlace_BringsProhibited()
    {
        using NatBench bench = new(new UserNetworkOptions { Egress = EgressPolicy.DenyAll });
        byte[] outside = [203, 0, 113, 1];

        bench.Send(Packet(Guest, outside, IcmpProtocol, Message(8, [0, 1, 0, 1])));

        Assert.Equal([3, 13], OpenIpv4(bench.Take().Bytes, IcmpProtocol, Gateway, Guest)[..2]);
        Assert.Equal(0, bench.Network.TableSizes.Pings);
    }

    private static byte[] Message(byte type, byte[] rest)
    {
        byte[] message = [type, 0, 0, 0, .. rest];
        Big16(Checksum(message)).CopyTo(message, 2);
        return message;
    }

    /// <summary>An address of the host's own that is not loopback, and that its ping sockets reach.</summary>
    private static IPAddress? FindAddress(AddressFamily family, ProtocolType protocol, Func<IPAddress, bool> isGood)
    {
        try
        {
            using Socket socket = new(family, SocketType.Dgram, protocol);
        }
        catch (SocketException)
        {
            return null;
        }

        return NetworkInterface.GetAllNetworkInterfaces()
            .Where(card => card.OperationalStatus == OperationalStatus.Up && card.NetworkInterfaceType != NetworkInterfaceType.Loopback)
            .SelectMany(card => card.GetIPProperties().UnicastAddresses)
            .Select(address => address.Address)
            .FirstOrDefault(address => address.AddressFamily == family && isGood(address));
    }

    [AttributeUsage(AttributeTargets.Method)]
    private sealed class PingFactAttribute : FactAttribute
    {
        public PingFactAttribute() => Skip = Outside is null ? "The host has no address besides loopback, or no ping sockets." : null;

        public static IPAddress? Outside { get; } =
            FindAddress(AddressFamily.InterNetwork, ProtocolType.Icmp, address => address.GetAddressBytes()[0] != 10);
    }

    [AttributeUsage(AttributeTargets.Method)]
    private sealed class Ipv6PingFactAttribute : FactAttribute
    {
        public Ipv6PingFactAttribute() =>
            Skip = Outside is null ? "The host has no IPv6 address besides loopback, or no ping sockets." : null;

        public static IPAddress? Outside { get; } =
            FindAddress(AddressFamily.InterNetworkV6, ProtocolType.IcmpV6, address => !address.IsIPv6LinkLocal);
    }
}
