using Strata.Core.Networking;
using Strata.Networking.Frames;
using Strata.Networking.Switching;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Switching.SwitchBench;

namespace Strata.Networking.Tests.Switching;

/// <summary>Learning, VLANs, filters and links of the switch. IEEE 802.1Q.</summary>
public sealed class VirtualSwitchTests : IDisposable
{
    private const long Second = 1_000_000_000;
    private readonly SwitchBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Forward_UnknownStation_GoesToAllOthersAndKnownOneToItsPortOnly()
    {
        (SwitchPort one, RecordingReceiver cardOne) = _bench.Plug();
        (SwitchPort two, RecordingReceiver cardTwo) = _bench.Plug();
        (_, RecordingReceiver cardThree) = _bench.Plug();

        Send(one, Frame(1, 2));
        Assert.Equal((0, 1, 1), (cardOne.Count, cardTwo.Count, cardThree.Count));
        Send(two, Frame(2, 1));
        Assert.Equal((1, 1, 1), (cardOne.Count, cardTwo.Count, cardThree.Count));
        Send(one, Frame(1, 2, 77));

        Assert.Equal((1, 2, 1), (cardOne.Count, cardTwo.Count, cardThree.Count));
        cardTwo.TryTake();
        Assert.Equal(Frame(1, 2, 77), cardTwo.TryTake()!.Bytes);
    }

    [Fact]
    public void Forward_Broadcast_GoesToAllOthers()
    {
        (SwitchPort one, RecordingReceiver cardOne) = _bench.Plug();
        (_, RecordingReceiver cardTwo) = _bench.Plug();
        (_, RecordingReceiver cardThree) = _bench.Plug();

        Send(one, Broadcast(1));

        Assert.Equal((0, 1, 1), (cardOne.Count, cardTwo.Count, cardThree.Count));
    }

    [Fact]
    public void Learn_StationThatMoves_IsFoundAtItsNewPort()
    {
        (SwitchPort one, _) = _bench.Plug();
        (SwitchPort two, RecordingReceiver cardTwo) = _bench.Plug();
        (SwitchPort three, RecordingReceiver cardThree) = _bench.Plug();
        Send(two, Broadcast(2));
        Send(three, Broadcast(2));
        int before = cardThree.Count;

        Send(one, Frame(1, 2));

        Assert.Equal(before + 1, cardThree.Count);
        Assert.Equal(1, cardTwo.Count); // the broadcast only
    }

    [Fact]
    public void Learn_SilentStation_IsForgottenAfterFiveMinutes()
    {
        (SwitchPort one, _) = _bench.Plug();
        (SwitchPort two, _) = _bench.Plug();
        (_, RecordingReceiver cardThree) = _bench.Plug();
        Send(two, Frame(2, 1));
        int before = cardThree.Count;

        _bench.Clock.Advance(300 * Second);
        Send(one, Frame(1, 2));
        Assert.Equal(before, cardThree.Count);
        _bench.Clock.Advance(1);
        Send(one, Frame(1, 2));

        Assert.Equal(before + 1, cardThree.Count);
    }

    [Fact]
    public void Learn_MoreStationsThanTheTableHolds_ForgetsTheOldest()
    {
        using SwitchBench bench = new(new VirtualSwitchOptions { MaxStations = 100 });
        (SwitchPort one, _) = bench.Plug();

        for (int station = 0; station < 10_000; station++)
        {
            Send(one, Broadcast(station));
        }

        Assert.Equal(100, bench.Switch.StationCount);
    }

    [Fact]
    public void Vlan_AccessPorts_AreSeparate()
    {
        (SwitchPort red, _) = _bench.Plug(new SwitchPortOptions { Vlan = PortVlan.Access(10) });
        (_, RecordingReceiver alsoRed) = _bench.Plug(new SwitchPortOptions { Vlan = PortVlan.Access(10) });
        (SwitchPort blue, RecordingReceiver cardBlue) = _bench.Plug(new SwitchPortOptions { Vlan = PortVlan.Access(20) });

        Send(red, Broadcast(1));
        Send(blue, Frame(2, 1)); // the same address is another station in another VLAN

        Assert.Equal((1, 0), (alsoRed.Count, cardBlue.Count));
    }

    [Fact]
    public void Vlan_Trunk_CarriesTagsOfItsVlansOnly()
    {
        (SwitchPort red, RecordingReceiver cardRed) = _bench.Plug(new SwitchPortOptions { Vlan = PortVlan.Access(10) });
        (SwitchPort trunk, RecordingReceiver cardTrunk) = _bench.Plug(new SwitchPortOptions { Vlan = PortVlan.Trunk([10, 30]) });
        (SwitchPort blue, _) = _bench.Plug(new SwitchPortOptions { Vlan = PortVlan.Access(20) });

        Send(red, Frame(1, 9, 5));
        Send(blue, Broadcast(2));
        Assert.Equal(Tagged(Frame(1, 9, 5), 10), cardTrunk.TryTake()!.Bytes);
        Assert.Null(cardTrunk.TryTake());

        Send(trunk, Tagged(Frame(9, 1, 6), 10));
        Assert.Equal(Frame(9, 1, 6), cardRed.TryTake()!.Bytes);
        Send(trunk, Tagged(Frame(9, 1, 6), 20));
        Assert.Equal(1, trunk.Counters.Filtered);
    }

    [Fact]
    public void Vlan_TrunkToTrunk_KeepsThePriority()
    {
        (SwitchPort one, _) = _bench.Plug(new SwitchPortOptions { Vlan = PortVlan.Trunk() });
        (_, RecordingReceiver card) = _bench.Plug(new SwitchPortOptions { Vlan = PortVlan.Trunk() });

        Send(one, Tagged(Broadcast(1), 0xA00A));

        Assert.Equal(Tagged(Broadcast(1), 0xA00A), card.TryTake()!.Bytes);
    }

    [Fact]
    public void Vlan_TaggedFrameOnAnAccessPort_IsDropped()
    {
        (SwitchPort one, _) = _bench.Plug();
        (_, RecordingReceiver card) = _bench.Plug(new SwitchPortOptions { Vlan = PortVlan.Trunk() });

        Send(one, Tagged(Broadcast(1), 5));

        Assert.Equal(0, card.Count);
        Assert.Equal(1, one.Counters.Filtered);
    }

    [Fact]
    public void Filter_ForeignMac_IsDropped()
    {
        (SwitchPort one, _) = _bench.Plug(new SwitchPortOptions { AllowedMacs = [MacAddress.Read(Mac(1))] });
        (_, RecordingReceiver card) = _bench.Plug();

        Send(one, Frame(7, 2));
        Send(one, Frame(1, 2, 9));

        Assert.Equal(Frame(1, 2, 9), card.TryTake()!.Bytes);
        Assert.Equal((1, 1), (one.Counters.Filtered, one.Counters.In));
    }

    [Fact]
    public void Filter_ForeignIpInPacketOrArp_IsDropped()
    {
        Assert.True(Ipv4Network.TryParse("10.0.0.5", out Ipv4Network allowed));
        (SwitchPort one, _) = _bench.Plug(new SwitchPortOptions { AllowedIps = [allowed] });
        (_, RecordingReceiver card) = _bench.Plug();
        byte[] good = [10, 0, 0, 5];
        byte[] bad = [10, 0, 0, 6];

        Send(one, Ip(bad));
        Send(one, Arp(bad));
        Send(one, GuestFrames.Ethernet(Mac(2), Mac(1), 0x86DD, new byte[60]));
        Assert.Equal(0, card.Count);
        Send(one, Ip(good));
        Send(one, Arp(good));

        Assert.Equal(2, card.Count);
        Assert.Equal(3, one.Counters.Filtered);

        static byte[] Ip(byte[] source) =>
            GuestFrames.Ethernet(Mac(2), Mac(1), 0x0800, GuestFrames.Ipv4(source, [10, 0, 0, 9], 17, new byte[20]));
        static byte[] Arp(byte[] source) => GuestFrames.Ethernet(
            GuestFrames.Everybody, Mac(1), 0x0806, [0, 1, 8, 0, 6, 4, 0, 1, .. Mac(1), .. source, 0, 0, 0, 0, 0, 0, 10, 0, 0, 9]);
    }

    [Fact]
    public void Link_CutAndRestored_TellsTheCardAndCarriesNothingMeanwhile()
    {
        (SwitchPort one, RecordingReceiver cardOne) = _bench.Plug();
        (SwitchPort two, RecordingReceiver cardTwo) = _bench.Plug();
        Send(two, Frame(2, 1));

        two.IsLinkUp = false;
        Assert.False(cardTwo.HasCarrier);
        Send(one, Frame(1, 2));
        Send(two, Frame(2, 1));
        Assert.Equal((1, 0), (cardOne.Count, cardTwo.Count));
        two.IsLinkUp = true;
        Send(one, Frame(1, 2));

        Assert.True(cardTwo.HasCarrier);
        Assert.Equal(1, cardTwo.Count);
    }

    [Fact]
    public void Conditions_Delay_HoldsFramesThatLong()
    {
        (SwitchPort one, _) = _bench.Plug(new SwitchPortOptions { In = new LinkConditions { Delay = TimeSpan.FromMilliseconds(30) } });
        (_, RecordingReceiver card) = _bench.Plug(
            new SwitchPortOptions { Out = new LinkConditions { Delay = TimeSpan.FromMilliseconds(20) } });

        Send(one, Frame(1, 2, 1));
        Send(one, Frame(1, 2, 2));
        _bench.Clock.Advance(50_000_000 - 1);
        Assert.Equal(0, card.Count);
        _bench.Clock.Advance(1);

        Assert.Equal(Frame(1, 2, 1), card.TryTake()!.Bytes);
        Assert.Equal(Frame(1, 2, 2), card.TryTake()!.Bytes);
    }

    [Fact]
    public void Conditions_Rate_SpacesFramesAndDropsWhatTheQueueCannotHold()
    {
        LinkConditions slow = new() { BytesPerSecond = 6000, QueueBytes = 300 }; // a frame of 60 bytes takes 10 ms
        (SwitchPort one, _) = _bench.Plug();
        (SwitchPort two, RecordingReceiver card) = _bench.Plug(new SwitchPortOptions { Out = slow });

        for (byte i = 0; i < 10; i++)
        {
            Send(one, Frame(1, 2, i));
        }

        Assert.Equal(5, two.Counters.Overflowed);
        for (int i = 1; i <= 5; i++)
        {
            _bench.Clock.Advance(10_000_000);
            Assert.Equal(i, card.Count);
        }
    }

    [Fact]
    public void Conditions_Loss_LosesTheShareAndTheSameFramesForTheSameSeed()
    {
        long first = Lost(seed: 3);
        long again = Lost(seed: 3);
        long other = Lost(seed: 4);

        Assert.InRange(first, 200, 300);
        Assert.Equal(first, again);
        Assert.NotEqual(first, other);

        static long Lost(int seed)
        {
            using SwitchBench bench = new();
            (SwitchPort one, _) = bench.Plug(new SwitchPortOptions { In = new LinkConditions { Loss = 0.25, Seed = seed } });
            (_, RecordingReceiver card) = bench.Plug();
            for (int i = 0; i < 1000; i++)
            {
                Send(one, Frame(1, 2));
            }

            Assert.Equal(1000 - one.Counters.Lost, card.Count);
            return one.Counters.Lost;
        }
    }

    [Fact]
    public void Uplink_UserNetwork_AnswersStationsOfTheSwitch()
    {
        _bench.Switch.AddUserNetwork();
        (SwitchPort one, RecordingReceiver card) = _bench.Plug();
        byte[] request = [0, 1, 8, 0, 6, 4, 0, 1, .. Mac(1), 10, 0, 2, 20, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2];

        Send(one, GuestFrames.Ethernet(GuestFrames.Everybody, Mac(1), 0x0806, request));

        byte[] reply = card.TryTake()!.Bytes;
        Assert.Equal(Mac(1), reply[..6]);
        Assert.Equal(GuestFrames.GatewayMac, reply[6..12]);
        Assert.Equal([10, 0, 2, 2], reply[28..32]);
    }

    [Fact]
    public void Forward_OneHundredThousandRandomFrames_NeverBreakTheSwitch()
    {
        Random random = new(5);
        (SwitchPort Port, RecordingReceiver Card)[] plugged =
        [
            _bench.Plug(), _bench.Plug(new SwitchPortOptions { Vlan = PortVlan.Trunk() }),
            _bench.Plug(new SwitchPortOptions { AllowedIps = [Ipv4Network.All], AllowedMacs = [MacAddress.Read(Mac(1))] }),
        ];
        for (int i = 0; i < 100_000; i++)
        {
            byte[] frame = new byte[random.Next(120)];
            random.NextBytes(frame);
            byte[] start = random.Next(3) switch { 0 => Frame(1, 2), 1 => Tagged(Frame(1, 2), (ushort)random.Next(65536)), _ => Ip() };
            start.AsSpan(0, Math.Min(random.Next(40), frame.Length)).CopyTo(frame);
            FrameOffload offload = new()
            {
                NeedsChecksum = true, ChecksumStart = (ushort)random.Next(frame.Length + 1), ChecksumOffset = (ushort)random.Next(20),
                Segmentation = random.Next(2) == 0
                    ? FrameFeatures.Tcp4Segmentation
                    : FrameFeatures.None, SegmentSize = (ushort)random.Next(1, 50),
            };
            plugged[random.Next(3)].Port.Send(frame, offload);
            foreach ((_, RecordingReceiver card) in plugged)
            {
                while (card.TryTake() is not null)
                {
                }
            }
        }

        Send(plugged[0].Port, Broadcast(1));

        Assert.Equal(1, plugged[1].Card.Count);
        Assert.InRange(_bench.Switch.StationCount, 1, 4096);

        static byte[] Ip() => GuestFrames.Packet(GuestFrames.Guest, GuestFrames.Gateway, GuestFrames.TcpProtocol, new byte[40]);
    }

    [Fact]
    public void Dispose_OfAPort_TakesItOut()
    {
        (SwitchPort one, _) = _bench.Plug();
        (SwitchPort two, RecordingReceiver card) = _bench.Plug();
        Send(two, Frame(2, 1));

        two.Dispose();
        Send(one, Frame(1, 2));

        Assert.Equal(0, card.Count);
        Assert.Equal([one], _bench.Switch.Ports);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4095)]
    [InlineData(-1)]
    public void PortVlan_OutOfRange_IsRefused(int vlan) => Assert.Throws<ArgumentOutOfRangeException>(() => PortVlan.Access(vlan));
}
