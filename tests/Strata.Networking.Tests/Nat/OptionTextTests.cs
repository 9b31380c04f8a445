using System.Net;
using Strata.Networking.Frames;
using Strata.Networking.Nat;

namespace Strata.Networking.Tests.Nat;

/// <summary>What users write: forwarded ports, rules, addresses.</summary>
public sealed class OptionTextTests
{
    [Theory]
    [InlineData("2222:22", TransportProtocol.Tcp, "127.0.0.1", 2222, 22)]
    [InlineData("tcp:2222:22", TransportProtocol.Tcp, "127.0.0.1", 2222, 22)]
    [InlineData("udp:5353:53", TransportProtocol.Udp, "127.0.0.1", 5353, 53)]
    [InlineData("0.0.0.0:80:8080", TransportProtocol.Tcp, "0.0.0.0", 80, 8080)]
    [InlineData("udp:192.168.1.2:80:8080", TransportProtocol.Udp, "192.168.1.2", 80, 8080)]
    [InlineData("[::1]:80:8080", TransportProtocol.Tcp, "::1", 80, 8080)]
    [InlineData("udp:[2001:db8::1]:53:53", TransportProtocol.Udp, "2001:db8::1", 53, 53)]
    [InlineData("[::]:0:22", TransportProtocol.Tcp, "::", 0, 22)]
    [InlineData("0:22", TransportProtocol.Tcp, "127.0.0.1", 0, 22)]
    public void PortForward_GoodText_IsUnderstood(string text, TransportProtocol protocol, string address, int host, int guest)
    {
        Assert.True(PortForward.TryParse(text, out PortForward? forward));
        Assert.Equal(new PortForward(protocol, IPAddress.Parse(address), host, guest), forward);
    }

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    [InlineData("22")]
    [InlineData(":22")]
    [InlineData("22:")]
    [InlineData("2222:0")]
    [InlineData("70000:22")]
    [InlineData("-1:22")]
    [InlineData("2222:+22")]
    [InlineData("host:2222:22")]
    [InlineData("icmp:2222:22")]
    [InlineData("::1:2222:22")]
    [InlineData("[127.0.0.1]:2222:22")]
    [InlineData("[::1:2222:22")]
    [InlineData("::1]:2222:22")]
    [InlineData("[]:2222:22")]
    public void PortForward_BadText_IsRefused(string? text) => Assert.False(PortForward.TryParse(text, out _));

    [Theory]
    [InlineData("10.0.0.0/8:443", "10.9.8.7", 443, true)]
    [InlineData("10.0.0.0/8:443", "10.9.8.7", 444, false)]
    [InlineData("10.0.0.0/8:443", "11.0.0.1", 443, false)]
    [InlineData("10.0.0.0/8:1000-2000", "10.0.0.1", 2000, true)]
    [InlineData("10.0.0.0/8:1000-2000", "10.0.0.1", 999, false)]
    [InlineData("10.0.0.1", "10.0.0.1", 1, true)]
    [InlineData("10.0.0.1", "10.0.0.2", 1, false)]
    [InlineData("any", "1.2.3.4", 65535, true)]
    [InlineData("any:53", "1.2.3.4", 53, true)]
    [InlineData("any:53", "2001:db8::1", 53, true)]
    [InlineData("2001:db8::/32", "2001:db8:1::", 65535, true)]
    [InlineData("2001:db8::1", "2001:db8::1", 1, true)]
    [InlineData("2001:db8::1", "2001:db8::2", 1, false)]
    [InlineData("[2001:db8::/32]:443", "2001:db8:1::", 443, true)]
    [InlineData("[2001:db8::/32]:443", "2001:db8:1::", 444, false)]
    [InlineData("[2001:db8::1]:1000-2000", "2001:db8::1", 1500, true)]
    [InlineData("[2001:db8::1]", "2001:db8::1", 7, true)]
    [InlineData("::/0", "10.0.0.1", 1, false)]
    [InlineData("0.0.0.0/0", "255.0.0.1", 1, true)]
    public void EgressRule_GoodText_CoversWhatItSays(string text, string address, int port, bool covers)
    {
        Assert.True(EgressRule.TryParse(true, text, out EgressRule? rule));
        Assert.Equal(covers, rule.Covers(InternetAddress.Parse(address), port));
    }

    [Theory]
    [InlineData("")]
    [InlineData("10.0.0.0/33")]
    [InlineData("10.0.0/8")]
    [InlineData("10.0.0.0/8:70000")]
    [InlineData("10.0.0.0/8:20-10")]
    [InlineData("10.0.0.0/8:1-2-3")]
    [InlineData("10.0.0.0/8:1:2")]
    [InlineData("everything")]
    [InlineData("[2001:db8::/32")]
    [InlineData("[2001:db8::/32]443")]
    [InlineData("[2001:db8::/32]:")]
    [InlineData("[10.0.0.0/8]:443")]
    [InlineData("[]:443")]
    [InlineData("[any]:443")]
    [InlineData("2001:db8::/129")]
    [InlineData("10.0.0.0/8:")]
    public void EgressRule_BadText_IsRefused(string text) => Assert.False(EgressRule.TryParse(true, text, out _));

    [Fact]
    public void EgressPolicy_SeveralRules_TheFirstThatCoversDecides()
    {
        Assert.True(EgressRule.TryParse(true, "10.1.0.0/16:80", out EgressRule? allow));
        Assert.True(EgressRule.TryParse(false, "10.0.0.0/8", out EgressRule? deny));
        EgressPolicy policy = new([allow, deny], AllowOthers: true);

        Assert.True(policy.Allows(Ipv4Address.Parse("10.1.2.3"), 80));
        Assert.False(policy.Allows(Ipv4Address.Parse("10.1.2.3"), 81));
        Assert.False(policy.Allows(Ipv4Address.Parse("10.2.2.3"), 80));
        Assert.True(policy.Allows(Ipv4Address.Parse("8.8.8.8"), 80));
    }

    [Fact]
    public void MacAddress_Text_IsReadAndWrittenTheSame()
    {
        Assert.True(MacAddress.TryParse("52:54:00:12:34:fe", out MacAddress address));
        Assert.Equal("52:54:00:12:34:fe", address.ToString());
        Assert.Equal(0x5254_0012_34FEUL, address.Value);
        Assert.False(MacAddress.TryParse("52:54:00:12:34", out _));
        Assert.False(MacAddress.TryParse("52:54:00:12:34:5g", out _));
    }
}
