using Strata.Networking.NamedSwitches;
using Strata.Networking.Nat;

namespace Strata.Tests;

/// <summary>What `--net`, `--forward` and `--capture` understand.</summary>
public sealed class NetworkCardTests
{
    [Fact]
    public void ParseAll_None_HasNoCards() => Assert.Empty(NetworkCard.ParseAll("none", [], capture: null));

    [Fact]
    public void ParseAll_ForwardsAndCapture_AreOnTheCard()
    {
        NetworkCard card = Assert.Single(NetworkCard.ParseAll("user,deny=any", ["2222:22", "udp:[::1]:53:53"], "a.pcap"));

        UserNetworkOptions options = Assert.IsType<NetworkPlug.User>(card.Plug).Options;
        Assert.Equal([22, 53], options.Forwards.Select(forward => forward.GuestPort));
        Assert.Equal([new EgressRule(Allow: false, null)], options.Egress.Rules);
        Assert.Equal("a.pcap", card.Capture);
    }

    [Fact]
    public void Parse_SwitchWithEveryOption_IsUnderstood()
    {
        NetworkPlug.Switch plug = Assert.IsType<NetworkPlug.Switch>(
            NetworkCard.Parse("switch=lab,isolated,vlan=10,delay=20ms,loss=1%,rate=8M").Plug);

        NamedSwitchOptions options = plug.Options;
        Assert.Equal(("lab", true, 10), (plug.Name, options.IsIsolated, options.Vlan));
        Assert.Equal(
            (TimeSpan.FromMilliseconds(20), 0.01, 1_000_000L),
            (options.Conditions.Delay, options.Conditions.Loss, options.Conditions.BytesPerSecond));
    }

    [Fact]
    public void WithOptions_NothingAsked_LeavesTheCards()
    {
        NetworkCard[] cards = [
            NetworkCard.User(new UserNetworkOptions { Forwards = [NetworkCard.ParseForward("1:1")] }) with { Capture = "a.pcap" },
            NetworkCard.Tap("tap0")];

        Assert.Equal(cards, NetworkCard.WithOptions(cards, [], capture: null));
    }

    [Fact]
    public void WithOptions_Forwards_TakeThePlaceOfTheFirstCards()
    {
        NetworkCard[] cards = [
            NetworkCard.Switch("lab", new NamedSwitchOptions { Vlan = 7, Forwards = [NetworkCard.ParseForward("1:1")] }),
            NetworkCard.Tap("tap0")];

        IReadOnlyList<NetworkCard> changed = NetworkCard.WithOptions(cards, ["2:2"], capture: null);

        NamedSwitchOptions options = Assert.IsType<NetworkPlug.Switch>(changed[0].Plug).Options;
        Assert.Equal((7, 2), (options.Vlan, Assert.Single(options.Forwards).GuestPort));
        Assert.Equal(cards[1], changed[1]);
    }

    [Theory]
    [InlineData("none", "2222:22", "leave out --net none")]
    [InlineData("tap=tap0", "2222:22", "needs --net user")]
    [InlineData("user", "2222", "forwards no port")]
    [InlineData("users", "2222:22", "There is no network")]
    [InlineData("user,vlan=1", "2222:22", "is no rule for --net user")]
    [InlineData("switch=a b", "2222:22", "cannot name a switch")]
    [InlineData("switch=lab,vlan=0", "2222:22", "is no option of a switch")]
    [InlineData("tap=tap0,fast", "2222:22", "is no option of a tap")]
    public void ParseAll_WhatCannotBe_SaysWhy(string net, string forward, string message)
    {
        StrataException error = Assert.Throws<StrataException>(() => NetworkCard.ParseAll(net, [forward], capture: null));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_NetworkThatIsNotAttached_SaysSo()
    {
        using TemporaryFolder folder = new();
        MachineSpec spec = new() { Kernel = folder.Write("kernel", BzImage.Create()), Networks = [NetworkCard.Attached("lab")] };

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => VirtualMachine.StartAsync(spec));

        Assert.Contains("\"lab\" is attached", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("user", "Virtio")]
    [InlineData("user,model=e1000", "E1000")]
    [InlineData("switch=lab,model=e1000,vlan=7", "E1000")]
    [InlineData("tap=a,,model=x", "Virtio")] // a comma that belongs to the name
    public void Parse_Model_IsTakenFromBetweenTheOptions(string text, string model)
    {
        NetworkCard card = NetworkCard.Parse(text);

        Assert.Equal(model, card.Model.ToString());
        Assert.Equal(text.Contains("vlan", StringComparison.Ordinal) ? 7 : null, (card.Plug as NetworkPlug.Switch)?.Options.Vlan);
    }

    [Fact]
    public void Parse_ModelThatIsNone_IsRefused() =>
        Assert.Contains(
            "model=e1000", Assert.Throws<StrataException>(() => NetworkCard.Parse("user,model=ne2000")).Message, StringComparison.Ordinal);
}
