using System.Text;
using Strata.Networking.Frames;
using Strata.Networking.Nat;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestFrames;

namespace Strata.Networking.Tests.Nat;

/// <summary>Names of stations, as the network's name server answers for them. RFC 1035.</summary>
public sealed class NameServiceTests : IDisposable
{
    private const byte TypeA = 1;
    private const byte TypeAaaa = 28;
    private static readonly byte[] Address = [10, 0, 2, 20];

    // what is not answered here is refused
    private readonly NatBench _bench = new(new UserNetworkOptions { Egress = EgressPolicy.DenyAll });

    public NameServiceTests()
    {
        _bench.Introduce();
        _bench.Network.AddStation(MacAddress.Read([2, 0, 0, 0, 0, 9]), "web-1", Ipv4Address.Read(Address));
    }

    public void Dispose() => _bench.Dispose();

    [Theory]
    [InlineData("web-1")]
    [InlineData("WEB-1")]
    [InlineData("web-1.internal")]
    public void Query_NameOfAStation_IsAnsweredWithItsAddress(string name)
    {
        byte[] question = Question(name, TypeA);

        // with EDNS, as glibc may
        byte[] reply = Ask([0xAB, 0xCD, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, .. question, 0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0]);

        Assert.Equal(
            [0xAB, 0xCD, 0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, .. question, 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, .. Address], reply);
    }

    [Fact]
    public void Query_Ipv6AddressOfAStation_IsAnsweredWithNone()
    {
        byte[] question = Question("web-1", TypeAaaa);

        byte[] reply = Ask([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, .. question]);

        Assert.Equal([0, 1, 0x85, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, .. question], reply);
    }

    [Theory]
    [InlineData("web-2")]
    [InlineData("web-1.example.org")]
    [InlineData("internal")]
    public void Query_OtherName_IsTheHostsAffair(string name) =>
        AssertRefused([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, .. Question(name, TypeA)]);

    [Fact]
    public void Query_StationThatHasGone_IsTheHostsAffair()
    {
        _bench.Network.RemoveStation(MacAddress.Read([2, 0, 0, 0, 0, 9]));

        AssertRefused([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, .. Question("web-1", TypeA)]);
    }

    [Fact]
    public void Query_OneHundredThousandDamagedOnes_NeverBreakTheServer()
    {
        Random random = new(3);
        byte[] good = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, .. Question("web-1", TypeA)];
        for (int i = 0; i < 100_000; i++)
        {
            byte[] bad = good[..random.Next(good.Length + 1)];
            for (int change = random.Next(4); change > 0 && bad.Length > 0; change--)
            {
                bad[random.Next(bad.Length)] = (byte)random.Next(256);
            }

            Send(bad);
            while (_bench.Card.TryTake() is not null)
            {
            }
        }

        Assert.Equal(Address, Ask(good)[^4..]);
    }

    [Fact]
    public void Query_NameOfTheMostBytes_FitsIntoTheReply()
    {
        string station = string.Join('.', new string('a', 63), new string('b', 63), new string('c', 63), new string('d', 52));
        _bench.Network.AddStation(MacAddress.Read([2, 0, 0, 0, 0, 8]), station, Ipv4Address.Read([10, 0, 2, 30]));
        byte[] question = Question(station + ".internal", TypeA);
        Assert.Equal(255 + 4, question.Length);

        Assert.Equal([10, 0, 2, 30], Ask([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, .. question])[^4..]);
    }

    private static byte[] Question(string name, byte type) =>
        [.. name.Split('.').SelectMany(label => (byte[])[(byte)label.Length, .. Encoding.ASCII.GetBytes(label)]), 0, 0, type, 0, 1];

    private void Send(byte[] query) => _bench.Send(Packet(Guest, Dns, UdpProtocol, UdpDatagram(Guest, Dns, 5353, 53, query)));

    private byte[] Ask(byte[] query)
    {
        Send(query);
        byte[] datagram = OpenIpv4(_bench.Take().Bytes, UdpProtocol, Dns, Guest);
        Assert.Equal((53, 5353), (Read16(datagram, 0), Read16(datagram, 2)));
        Assert.Equal(0, TransportChecksum(Dns, Guest, UdpProtocol, datagram));
        return datagram[8..];
    }

    /// <summary>ICMP says that it is forbidden to ask the host.</summary>
    private void AssertRefused(byte[] query)
    {
        Send(query);
        Assert.Equal(IcmpProtocol, _bench.Take().Bytes[EthernetSize + 9]);
    }
}
