using System.Net;
using Strata.Networking.Frames;
using Strata.Networking.NamedSwitches;
using Strata.Networking.Nat;
using Strata.Snapshots;

namespace Strata.Tests;

/// <summary>What a clone does not have in common with its machine.</summary>
public sealed class CloneSpecTests
{
    private static readonly MacAddress OldMac = new(0x5254_0012_3456);
    private static readonly PortForward Forward = new(TransportProtocol.Tcp, IPAddress.Loopback, 2222, 22);

    [Fact]
    public void Of_UserNetwork_HasAnotherAddressAndPortsThatTheHostChooses()
    {
        MachineSpec spec = new()
        {
            Networks = [NetworkCard.User(new UserNetworkOptions { Forwards = [Forward] }) with { Mac = OldMac, Capture = "frames.pcap" }],
        };

        NetworkCard first = CloneSpec.Of(spec, keepsIdentity: false).Networks[0];
        NetworkCard second = CloneSpec.Of(spec, keepsIdentity: false).Networks[0];

        Assert.Equal(3, new[] { OldMac, first.Mac!.Value, second.Mac!.Value }.Distinct().Count());
        Assert.False(first.Mac.Value.IsGroup);
        Assert.Null(first.Capture);
        Assert.Equal([Forward with { HostPort = 0 }], ((NetworkPlug.User)first.Plug).Options.Forwards);
    }

    [Fact]
    public void Of_Switch_LetsItGiveTheAddress()
    {
        MachineSpec spec = new()
        {
            Networks = [NetworkCard.Switch("lab", new NamedSwitchOptions { Forwards = [Forward] }) with { Mac = OldMac }],
        };

        NetworkCard card = CloneSpec.Of(spec, keepsIdentity: false).Networks[0];

        Assert.Null(card.Mac);
        Assert.Equal([Forward with { HostPort = 0 }], ((NetworkPlug.Switch)card.Plug).Options.Forwards);
    }

    [Fact]
    public void Of_Disks_AreOverlaysThatGoWithIt()
    {
        MachineSpec spec = new()
        {
            Disks = [new DiskSpec { Path = "own" }, new DiskSpec { Path = "fixed", ReadOnly = true }],
            Keep = "work",
        };

        MachineSpec clone = CloneSpec.Of(spec, keepsIdentity: false);

        Assert.Equal([true, false], clone.Disks.Select(disk => disk.Snapshot));
        Assert.Null(clone.Keep);
    }

    [Fact]
    public void Of_KeptIdentity_KeepsTheAddress()
    {
        MachineSpec spec = new() { Networks = [NetworkCard.User() with { Mac = OldMac }] };

        Assert.Equal(OldMac, CloneSpec.Of(spec, keepsIdentity: true).Networks[0].Mac);
    }

    [Fact]
    public void With_ForwardsWithoutACard_IsRefused()
    {
        StrataException error = Assert.Throws<StrataException>(() => CloneSpec.With(new MachineSpec { Networks = [] }, [Forward]));

        Assert.Equal(StrataError.BadInput, error.Error);
    }

    [Theory]
    [InlineData("web", "web")]
    [InlineData("web_1.test-", "web-1-test")]
    [InlineData("_", "clone")]
    public void HostNameOf_AMachinesName_IsOneOfAHost(string machine, string expected) =>
        Assert.Equal(expected, CloneSpec.HostNameOf(machine));

    [Fact]
    public void NamesOf_ALongName_LeavesRoomForTheNumber()
    {
        IReadOnlyList<string> names = CloneSpec.NamesOf(new MachineSpec { Name = new string('a', 40) }, 9, 2);

        Assert.Equal([new string('a', 38) + "-9", new string('a', 37) + "-10"], names);
    }
}
