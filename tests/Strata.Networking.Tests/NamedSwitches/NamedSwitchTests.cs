using System.Net.Sockets;
using Strata.Core.Networking;
using Strata.Networking.Frames;
using Strata.Networking.NamedSwitches;
using Strata.Networking.Switching;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.NamedSwitches.NamedSwitchBench;
using static Strata.Networking.Tests.Switching.SwitchBench;

namespace Strata.Networking.Tests.NamedSwitches;

/// <summary>Machines of several processes on one switch, over real sockets; here each end is in this process.</summary>
public sealed class NamedSwitchTests : IDisposable
{
    private readonly NamedSwitchBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Join_FirstMachine_HostsAndTheOthersDoNot()
    {
        (NamedSwitchPort one, _) = _bench.Join(1);
        (NamedSwitchPort two, _) = _bench.Join(2);

        Assert.True(one.IsHost);
        Assert.False(two.IsHost);
    }

    [Fact]
    public void Send_BetweenMachines_ReachesTheOneThatIsMeant()
    {
        (NamedSwitchPort one, RecordingReceiver cardOne) = _bench.Join(1);
        (NamedSwitchPort two, RecordingReceiver cardTwo) = _bench.Join(2);
        (_, RecordingReceiver cardThree) = _bench.Join(3);
        Send(one, Broadcast(1));
        Assert.Equal(Broadcast(1), Take(cardTwo).Bytes);
        Assert.Equal(Broadcast(1), Take(cardThree).Bytes);

        Send(two, Frame(2, 1, 7));
        Assert.Equal(Frame(2, 1, 7), Take(cardOne).Bytes);
        Send(one, Frame(1, 2, 8));

        Assert.Equal(Frame(1, 2, 8), Take(cardTwo).Bytes);
        Assert.Equal(0, cardThree.Count);
    }

    [Fact]
    public void Send_LargeSegmentToACardThatTakesIt_CrossesWhole()
    {
        (NamedSwitchPort one, _) = _bench.Join(1);
        (_, RecordingReceiver card) = _bench.Join(2);
        card.Accepts = FrameFeatures.PartialChecksum | FrameFeatures.Tcp4Segmentation;
        (byte[] frame, FrameOffload offload) = LargeSegment(60_000);

        one.Send(frame, offload);

        RecordedFrame taken = Take(card);
        Assert.Equal(frame, taken.Bytes);
        Assert.Equal(offload, taken.Offload);
    }

    [Fact]
    public void Send_LargeSegmentToACardThatDoesNot_IsCut()
    {
        (NamedSwitchPort one, _) = _bench.Join(1);
        (_, RecordingReceiver card) = _bench.Join(2);
        (byte[] frame, FrameOffload offload) = LargeSegment(3000);

        one.Send(frame, offload);

        int[] lengths = [Take(card).Bytes.Length, Take(card).Bytes.Length, Take(card).Bytes.Length];
        Assert.Equal([54 + 1448, 54 + 1448, 54 + 104], lengths);
    }

    [Fact]
    public void Send_FrameThatContradictsItsOffload_IsDroppedAndTheCableHolds()
    {
        (NamedSwitchPort one, _) = _bench.Join(1);
        (_, RecordingReceiver card) = _bench.Join(2);

        one.Send(new byte[5], FrameOffload.None);
        one.Send(Frame(1, 2), new FrameOffload { NeedsChecksum = true, ChecksumStart = 60 });
        one.Send(Frame(1, 2), new FrameOffload { Segmentation = FrameFeatures.Tcp4Segmentation, SegmentSize = 10 });
        Send(one, Frame(1, 2, 9));

        Assert.Equal(Frame(1, 2, 9), Take(card).Bytes);
    }

    [Fact]
    public void Receive_CardWithoutRoom_KeepsFramesUntilItResumes()
    {
        RecordingReceiver full = new() { Room = 0 };
        (NamedSwitchPort one, _) = _bench.Join(1);
        (NamedSwitchPort two, _) = _bench.Join(2, card: full);
        Send(one, Frame(1, 2, 1));
        Send(one, Frame(1, 2, 2));

        full.Room = int.MaxValue;
        two.Resume();

        Assert.Equal(Frame(1, 2, 1), Take(full).Bytes);
        Assert.Equal(Frame(1, 2, 2), Take(full).Bytes);
    }

    [Fact]
    public void Receive_MachineThatTakesNothing_DoesNotHoldOthersUp()
    {
        (NamedSwitchPort one, _) = _bench.Join(1);
        (NamedSwitchPort two, _) = _bench.Join(
            2, card: new RecordingReceiver { Room = 0, Accepts = FrameFeatures.PartialChecksum | FrameFeatures.Tcp4Segmentation });
        (NamedSwitchPort three, RecordingReceiver cardThree) = _bench.Join(3);
        (byte[] flood, FrameOffload offload) = LargeSegment(60_000);
        Send(two, Broadcast(2));
        Send(three, Broadcast(3));
        NatBench.WaitUntil(() => _bench.Describe().StationCount == 2, "both stations");
        while (cardThree.TryTake() is not null)
        {
        }

        NatBench.WaitUntil(
            () =>
            {
                one.Send(flood, offload);
                return _bench.Describe().Ports.Single(port => port.Machine == "m2").Overflowed > 0;
            },
            "frames that station 2's queues do not hold");

        SendUntilTaken(one, cardThree, Frame(1, 3, 5));
    }

    [Fact]
    public void Dispose_OfTheHost_AnotherTakesOverAndTheRestReachEachOther()
    {
        (NamedSwitchPort one, _) = _bench.Join(1);
        (NamedSwitchPort two, RecordingReceiver cardTwo) = _bench.Join(2);
        (NamedSwitchPort three, RecordingReceiver cardThree) = _bench.Join(3);

        one.Dispose();
        SendUntilTaken(two, cardThree, Frame(2, 3, 4));

        Assert.True(two.IsHost ^ three.IsHost);
        Assert.True(cardTwo.HasCarrier && cardThree.HasCarrier);
        Assert.Equal(["m2", "m3"], _bench.Describe().Ports.Select(port => port.Machine).OfType<string>().Order());
    }

    [Fact]
    public void Dispose_OfEveryHostInTurn_LeavesAWorkingSwitchAndNoSocket()
    {
        List<(NamedSwitchPort Port, RecordingReceiver Card)> machines = [.. Enumerable.Range(1, 6).Select(machine => _bench.Join(machine))];

        while (machines.Count > 2)
        {
            (NamedSwitchPort Port, RecordingReceiver Card) host = machines.First(machine => machine.Port.IsHost);
            machines.Remove(host);
            host.Port.Dispose();
            SendUntilTaken(machines[0].Port, machines[1].Card, Broadcast(99));
            NatBench.WaitUntil(() => machines.Exists(machine => machine.Port.IsHost), "a new host");
        }

        machines.ForEach(machine => machine.Port.Dispose());
        Assert.False(File.Exists(_bench.Place.SocketPath));
    }

    [Fact]
    public async Task Join_MachinesThatComeAndGoAllTheTime_AlwaysFindOneSwitch()
    {
        const int rounds = 25;
        await Task.WhenAll(Enumerable.Range(10, 4).Select(machine => Task.Run(() =>
        {
            Random random = new(machine);
            for (int round = 0; round < rounds; round++)
            {
                using NamedSwitchPort port = NamedSwitchPort.Join(
                    _bench.Place, new NamedSwitchStation($"m{machine}", MacAddress.Read(Mac(machine))));
                port.Connect(new RecordingReceiver());
                Send(port, Broadcast(machine));
#pragma warning disable RS0030 // random moments are the point
                Thread.Sleep(random.Next(10));
#pragma warning restore RS0030
            }
        })));

        (NamedSwitchPort one, _) = _bench.Join(1);
        (_, RecordingReceiver cardTwo) = _bench.Join(2);
        SendUntilTaken(one, cardTwo, Frame(1, 2, 6));
        Assert.Equal(["m1", "m2"], _bench.Describe().Ports.Select(port => port.Machine).OfType<string>().Order());
    }

    [Fact]
    public void Join_ProcessWhoseThreadPoolIsBusy_DoesNotWaitForIt()
    {
        using ManualResetEventSlim end = new();
        using CountdownEvent ended = new(100);
        for (int i = 0; i < ended.InitialCount; i++)
        {
            ThreadPool.UnsafeQueueUserWorkItem(_ =>
            {
                end.Wait();
                ended.Signal();
            }, null);
        }

        try
        {
            (NamedSwitchPort one, _) = _bench.Join(1);
            (_, RecordingReceiver card) = _bench.Join(2);
            SendUntilTaken(one, card, Frame(1, 2, 3));
        }
        finally
        {
            end.Set();
            ended.Wait();
        }
    }

    [Fact]
    public void Join_SocketOfADeadProcess_IsReplaced()
    {
        using (Socket dead = new(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified))
        {
            dead.Bind(new UnixDomainSocketEndPoint(_bench.Place.SocketPath));
            File.Copy("/dev/null", _bench.Place.SocketPath + "-lock");
            File.Move(_bench.Place.SocketPath, _bench.Place.SocketPath + "2"); // from its end, which removes it
        }

        File.Move(_bench.Place.SocketPath + "2", _bench.Place.SocketPath);
        (NamedSwitchPort one, _) = _bench.Join(1);

        Assert.True(one.IsHost);
    }

    [Fact]
    public void Join_OtherKindOfSwitch_IsRefusedWithTheRemedy()
    {
        _bench.Join(1);

        IOException error = Assert.Throws<IOException>(() => _bench.Join(2, new NamedSwitchOptions { IsIsolated = true }));

        Assert.Contains("has a way out", error.Message, StringComparison.Ordinal);
        Assert.Contains("--net switch=lab", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Join_AddressThatIsThere_IsRefused()
    {
        _bench.Join(1);

        IOException error = Assert.Throws<IOException>(() => _bench.Join(1));

        Assert.Contains("--name", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("../x")]
    [InlineData(".hidden")]
    [InlineData("a/b")]
    [InlineData("12345678901234567890123456789012345678901")]
    public void Join_BadName_IsRefused(string name)
    {
        NamedSwitchPlace place = _bench.Place with { Name = name };

        Assert.Throws<IOException>(() => NamedSwitchPort.Join(place, new NamedSwitchStation("m1", default)));
    }

    [Fact]
    public void Vlan_OfACable_KeepsMachinesApart()
    {
        (NamedSwitchPort one, _) = _bench.Join(1, new NamedSwitchOptions { Vlan = 10 });
        (_, RecordingReceiver other) = _bench.Join(2);
        (_, RecordingReceiver same) = _bench.Join(3, new NamedSwitchOptions { Vlan = 10 });

        Send(one, Broadcast(1));

        Assert.Equal(Broadcast(1), Take(same).Bytes);
        Assert.Equal(0, other.Count);
    }

    [Fact]
    public void Conditions_OfACable_LoseWhatTheySay()
    {
        (NamedSwitchPort one, _) = _bench.Join(1, new NamedSwitchOptions { Conditions = new LinkConditions { Loss = 1 } });
        _bench.Join(2);

        Send(one, Broadcast(1));

        NatBench.WaitUntil(() => _bench.Describe().Ports.Single(port => port.Machine == "m1").Lost == 1, "the loss");
    }

    [Fact]
    public void Describe_Switch_NamesHostPortsAndStations()
    {
        (NamedSwitchPort one, _) = _bench.Join(1);
        (_, RecordingReceiver cardTwo) = _bench.Join(2);
        Send(one, Broadcast(1));
        Take(cardTwo);

        NamedSwitchDescription lab = _bench.Describe();

        Assert.Equal(
            ("lab", "m1", Environment.ProcessId, false, 1), (lab.Name, lab.Host, lab.HostProcessId, lab.IsIsolated, lab.StationCount));
        Assert.Equal([null, "m1", "m2"], lab.Ports.Select(port => port.Machine));
        Assert.Equal(["02:00:00:00:00:01"], lab.Ports[1].Stations);
        Assert.Equal((1, 0, 0, 1), (lab.Ports[1].In, lab.Ports[1].Out, lab.Ports[2].In, lab.Ports[2].Out));
    }

    [Fact]
    public void Describe_NoSwitch_IsNull() => Assert.Null(NamedSwitchClient.Describe(_bench.Place));

    /// <summary>From station 1 to station 2.</summary>
    private static (byte[] Frame, FrameOffload Offload) LargeSegment(int data)
    {
        byte[] tcp = new byte[20 + data];
        Random.Shared.NextBytes(tcp);
        tcp[12] = 0x50;
        byte[] frame = GuestFrames.Ethernet(
            Mac(2), Mac(1), 0x0800, GuestFrames.Ipv4([10, 0, 2, 15], [10, 0, 2, 16], GuestFrames.TcpProtocol, tcp));
        return (frame, new FrameOffload
        {
            NeedsChecksum = true, ChecksumStart = 34, ChecksumOffset = 16, HeaderLength = 54, Segmentation = FrameFeatures.Tcp4Segmentation,
            SegmentSize = 1448,
        });
    }
}
