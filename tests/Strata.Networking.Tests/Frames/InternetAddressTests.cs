using Strata.Networking.Frames;

namespace Strata.Networking.Tests.Frames;

/// <summary>Addresses and ranges of both protocols. RFC 4291.</summary>
public sealed class InternetAddressTests
{
    [Theory]
    [InlineData("10.0.2.15")]
    [InlineData("2001:db8::1")]
    [InlineData("::")]
    [InlineData("fe80::5054:ff:fe12:3456")]
    public void Parse_Text_IsWrittenTheSame(string text) => Assert.Equal(text, InternetAddress.Parse(text).ToString());

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("1.2.3")]
    [InlineData("[::1]")]
    [InlineData("fe80::1%eth0")]
    [InlineData("::1/64")]
    [InlineData("host")]
    public void TryParse_BadText_IsRefused(string? text) => Assert.False(InternetAddress.TryParse(text, out _));

    [Fact]
    public void Ipv4Address_AsAnInternetAddress_KeepsItsNumberAndKind()
    {
        InternetAddress address = Ipv4Address.Parse("192.0.2.1");

        Assert.True(address.IsIpv4);
        Assert.Equal(Ipv4Address.Parse("192.0.2.1"), address.Ipv4);
        Assert.Equal(InternetAddress.Parse("::ffff:192.0.2.1"), address);
        Assert.Equal("192.0.2.1", address.ToIPAddress().ToString());
    }

    [Theory]
    [InlineData("ff02::1", true, false, false, false)]
    [InlineData("224.0.0.1", true, false, false, false)]
    [InlineData("fe80::1", false, true, false, false)]
    [InlineData("febf::1", false, true, false, false)]
    [InlineData("fec0::1", false, false, false, false)]
    [InlineData("::1", false, false, true, false)]
    [InlineData("127.9.9.9", false, false, true, false)]
    [InlineData("::", false, false, false, true)]
    [InlineData("0.0.0.0", false, false, false, true)]
    public void Kinds_OfAddresses_AreToldApart(string text, bool multicast, bool linkLocal, bool loopback, bool unspecified)
    {
        InternetAddress address = InternetAddress.Parse(text);

        Assert.Equal(
            (multicast, linkLocal, loopback, unspecified),
            (address.IsMulticast, address.IsLinkLocal, address.IsLoopback, address.IsUnspecified));
    }

    [Fact]
    public void SolicitedNode_ExampleOfTheRfc_IsItsResult()
    {
        InternetAddress group = InternetAddress.Parse("4037::01:800:200e:8c6c").SolicitedNode;

        Assert.Equal("ff02::1:ff0e:8c6c", group.ToString());
        Assert.Equal("33:33:ff:0e:8c:6c", group.GroupMac.ToString());
    }

    [Theory]
    [InlineData("2001:db8::/32", "2001:db8:ffff::1", true)]
    [InlineData("2001:db8::/32", "2001:db9::1", false)]
    [InlineData("fd53:7472:6174::/64", "fd53:7472:6174:0:1::", true)]
    [InlineData("fd53:7472:6174::/64", "fd53:7472:6174:1::", false)]
    [InlineData("::1", "::1", true)]
    [InlineData("::1", "::2", false)]
    [InlineData("::/0", "ffff::", true)]
    [InlineData("::/0", "10.0.0.1", false)]
    [InlineData("10.0.0.0/8", "10.255.0.1", true)]
    [InlineData("10.0.0.0/8", "11.0.0.1", false)]
    [InlineData("0.0.0.0/0", "255.255.255.255", true)]
    [InlineData("0.0.0.0/0", "2001:db8::1", false)]
    [InlineData("::/1", "::ffff:10.0.0.1", false)]
    public void Network_Contains_OnlyItsOwnProtocol(string network, string address, bool contains) =>
        Assert.Equal(contains, InternetNetwork.Parse(network).Contains(InternetAddress.Parse(address)));

    [Theory]
    [InlineData("2001:db8::1/32", "2001:db8::/32")]
    [InlineData("10.1.2.3/8", "10.0.0.0/8")]
    public void Network_Text_NamesTheFirstAddress(string text, string written) =>
        Assert.Equal(written, InternetNetwork.Parse(text).ToString());

    [Theory]
    [InlineData("2001:db8::/129")]
    [InlineData("10.0.0.0/33")]
    [InlineData("2001:db8::/-1")]
    [InlineData("2001:db8::/32/1")]
    public void Network_BadText_IsRefused(string text) => Assert.False(InternetNetwork.TryParse(text, out _));
}
