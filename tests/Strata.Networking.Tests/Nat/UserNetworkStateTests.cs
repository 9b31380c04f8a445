using System.Net;
using System.Net.Sockets;
using Strata.Core.Networking;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Networking.Capture;
using Strata.Networking.Frames;
using Strata.Networking.Nat;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestFrames;
using static Strata.Networking.Tests.Harness.GuestTcp;

namespace Strata.Networking.Tests.Nat;

/// <summary>What a user-mode network keeps for a guest that is saved and goes on behind another one.</summary>
public sealed class UserNetworkStateTests : IDisposable
{
    private const string Name = "pci/04.0/network/backend";

    private readonly NatBench _bench = new();
    private readonly NatBench _other = new();
    private readonly HostServer _server = new();

    public void Dispose()
    {
        _bench.Dispose();
        _other.Dispose();
        _server.Dispose();
    }

    [Fact]
    public void Contract_Holds()
    {
        IUnit<UserNetworkState> unit = Unit(_bench.Network);
        unit.LoadState(new UserNetworkState
        {
            Leases = [Station(1, 15), Station(2, 16)],
            Neighbours = [Station(2, 16)],
            ForwardTarget = 0x0A00_020F,
            Connections = [Connection(40000)],
        });

        UnitContract.Check(unit, (property, _) => property.Name switch
        {
            nameof(UserNetworkState.Leases) => new StationState[] { Station(2, 16), Station(1, 17), Station(3, 18) },
            nameof(UserNetworkState.Neighbours) => new StationState[] { Station(1, 20), Station(2, 16) },
            nameof(UserNetworkState.ForwardTarget) => 0x0A00_0210U,
            _ => new TcpResetState[] { Connection(1), Connection(2) },
        });
    }

    [Fact]
    public void Load_Leases_AreGivenAgainAndToNobodyElse()
    {
        byte[] second = [2, 0, 0, 0, 0, 9];
        _bench.Send(Dhcp(GuestMac, [53, 1, 1]));
        _bench.Send(Dhcp(second, [53, 1, 1]));

        Move();
        _other.Send(Dhcp([2, 0, 0, 0, 0, 7], [53, 1, 1]));
        _other.Send(Dhcp(second, [53, 1, 1]));

        Assert.Equal([10, 0, 2, 17], OpenDhcp([2, 0, 0, 0, 0, 7], [10, 0, 2, 17])[16..20]);
        Assert.Equal([10, 0, 2, 16], OpenDhcp(second, [10, 0, 2, 16])[16..20]);
    }

    [Fact]
    public void Load_Connection_IsResetForTheGuest()
    {
        _bench.Introduce();
        GuestTcp guest = new(_bench, 40000, Gateway, _server.Port);
        guest.Open();
        using Socket host = _server.Accept();
        guest.Send(Ack, "abc"u8.ToArray());
        guest.WaitForAcknowledgment();

        Move();

        GuestTcp restored = new(_other, 40000, Gateway, _server.Port);
        GuestSegment reset = restored.Receive();
        Assert.Equal((Rst | Ack, guest.Expected, guest.Next), (reset.Flags, reset.Sequence, reset.Acknowledgment));
        _other.AssertSilent();
    }

    [Fact]
    public void Load_GuestThatGoesOnSending_IsReset()
    {
        _bench.Introduce();
        GuestTcp guest = new(_bench, 40000, Gateway, _server.Port);
        guest.Open();
        using Socket host = _server.Accept();
        Move();
        GuestTcp restored = new(_other, 40000, Gateway, _server.Port) { Next = guest.Next, Expected = guest.Expected };
        restored.Receive();

        restored.Send(Ack | Psh, "more"u8.ToArray());

        GuestSegment reset = restored.Receive();
        Assert.Equal((Rst, guest.Expected), (reset.Flags, reset.Sequence));
    }

    /// <summary>Of a machine that goes back where it is: both ends are where they were.</summary>
    [Fact]
    public void Load_ConnectionThatMovedNothingSince_GoesOn()
    {
        _bench.Introduce();
        GuestTcp guest = new(_bench, 40000, Gateway, _server.Port);
        guest.Open();
        using Socket host = _server.Accept();
        guest.Send(Ack, "abc"u8.ToArray());
        guest.WaitForAcknowledgment();
        IUnit<UserNetworkState> unit = Unit(_bench.Network);

        unit.LoadState(unit.SaveState());
        unit.Resume();

        Assert.Equal(1, _bench.Network.ConnectionCount);
        _bench.AssertSilent();
        host.Send("answer"u8);
        Assert.Equal("answer"u8.ToArray(), guest.Receive().Data);
    }

    [Fact]
    public void Load_ConnectionThatMovedOn_IsResetAtBothEnds()
    {
        _bench.Introduce();
        GuestTcp guest = new(_bench, 40000, Gateway, _server.Port);
        guest.Open();
        using Socket host = _server.Accept();
        IUnit<UserNetworkState> unit = Unit(_bench.Network);
        UserNetworkState saved = unit.SaveState();
        uint expected = guest.Expected;
        host.Send("behind"u8);
        guest.Receive();

        unit.LoadState(saved);
        unit.Resume();

        SocketException error = Assert.Throws<SocketException>(() => host.Receive(new byte[1]));
        Assert.Equal(SocketError.ConnectionReset, error.SocketErrorCode);
        GuestSegment reset = guest.Receive();
        Assert.Equal((Rst | Ack, expected), (reset.Flags, reset.Sequence));
        Assert.Equal(0, _bench.Network.ConnectionCount);
    }

    [Fact]
    public void Load_LeaseOfAnotherNetwork_IsRefused()
    {
        UserNetworkOptions options = new()
        {
            Network = new Ipv4Network(Ipv4Address.Parse("192.168.7.0"), 24),
            Gateway = Ipv4Address.Parse("192.168.7.1"),
            Dns = Ipv4Address.Parse("192.168.7.2"),
            FirstGuest = Ipv4Address.Parse("192.168.7.3"),
        };
        using UserNetwork network = new(options, _bench.Clock);
        _bench.Send(Dhcp(GuestMac, [53, 1, 1]));
        _bench.Take();

        StateException error = Assert.Throws<StateException>(() => Unit(network).LoadState(Unit(_bench.Network).SaveState()));

        Assert.Contains(Name, error.Message, StringComparison.Ordinal);
        Assert.Contains("192.168.7", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_ContradictoryRecord_IsRefused()
    {
        UserNetworkState good = new() { Leases = [Station(1, 15)], Neighbours = [], ForwardTarget = 0, Connections = [] };
        Action<UserNetworkState>[] changes =
        [
            state => state.Leases = [Station(1, 15), Station(2, 15)],
            state => state.Leases = [Station(1, 15), Station(1, 16)],
            state => state.Leases = [Station(1, 2)],
            state => state.Neighbours = [Station(1, 15), Station(2, 15)],
            state => state.Neighbours = [
                .. Enumerable.Range(4, 257).Select(i => new StationState { MacAddress = 2, Address = ((UInt128)0xFE80 << 112) | (uint)i })],
            state => state.ForwardTarget = 0x0808_0808,
            state => state.Connections = [
                new TcpResetState { Guest = 5, GuestPort = 1, Remote = 6, RemotePort = 1, Sequence = 0, Acknowledgment = 0 }],
        ];

        Assert.All(changes, change =>
        {
            UserNetworkState state = Copy(good);
            change(state);
            Assert.Throws<StateException>(() => Unit(_bench.Network).LoadState(state));
        });
    }

    [Fact]
    public void Units_OfACapture_AreThoseOfItsNetwork()
    {
        using MemoryStream stream = new();
        INetworkBackend captured = new CapturedNetwork(_bench.Network, new PcapWriter(stream));

        Assert.Equal([Name], captured.GetUnits(Name).Select(unit => unit.UnitName));
    }

    private static UserNetworkState Copy(UserNetworkState state)
    {
        StateWriter writer = new();
        writer.WriteRecord(state);
        return new StateReader(writer.ToArray(), Name).ReadRecord<UserNetworkState>();
    }

    private static IUnit<UserNetworkState> Unit(UserNetwork network) => (IUnit<UserNetworkState>)network.GetUnits(Name).Single();

    private static StationState Station(byte station, byte host) => new()
    {
        MacAddress = 0x5254_0000_0000UL | station,
        Address = ((InternetAddress)new Ipv4Address(0x0A00_0200U | host)).Value,
    };

    private static TcpResetState Connection(ushort port) => new()
    {
        Guest = ((InternetAddress)new Ipv4Address(0x0A00_020F)).Value,
        GuestPort = port,
        Remote = ((InternetAddress)new Ipv4Address(0x0808_0808)).Value,
        RemotePort = 443,
        Sequence = 0x8000_0000,
        Acknowledgment = 7,
    };

    private byte[] OpenDhcp(byte[] station, byte[] address) => OpenIpv4(_other.Take().Bytes, UdpProtocol, Gateway, address, station)[8..];

    private void Move()
    {
        IUnit<UserNetworkState> target = Unit(_other.Network);
        target.LoadState(Copy(Unit(_bench.Network).SaveState()));
        target.Resume();
    }
}
