using System.Net.Sockets;
using Strata.Networking.NamedSwitches;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.NamedSwitches.NamedSwitchBench;
using static Strata.Networking.Tests.Switching.SwitchBench;

namespace Strata.Networking.Tests.NamedSwitches;

/// <summary>Processes that connect to a switch and say what no machine says. Each time the switch cuts them off and goes on.</summary>
public sealed class NamedSwitchHostileTests : IDisposable
{
    private readonly NamedSwitchBench _bench = new();

    public static TheoryData<string> Openings =>
    [
        "", "J", "Jnull", "J[]", "J{", "F", "X", "J{\"version\":1,\"join\":{}}", "J{\"version\":\"x\"}",
        "J{\"version\":1,\"join\":{\"machine\":\"m\",\"mac\":null,\"loss\":1e999}}", new('J', 17_000),
    ];

    public void Dispose() => _bench.Dispose();

    [Theory]
    [MemberData(nameof(Openings))]
    public void Request_Malformed_IsCutOff(string opening)
    {
        (NamedSwitchPort one, RecordingReceiver _) = _bench.Join(1);
        (_, RecordingReceiver card) = _bench.Join(2);
        Socket intruder = _bench.Intrude();

        intruder.Send(System.Text.Encoding.ASCII.GetBytes(opening));

        AssertCut(intruder);
        SendUntilTaken(one, card, Frame(1, 2, 3));
    }

    [Theory]
    [InlineData("evil\u001b[2J", "02:00:00:00:00:09", 1, 0)]
    [InlineData("m9", "01:00:00:00:00:09", 1, 0)]
    [InlineData("m9", "ff:ff:ff:ff:ff:ff", 1, 0)]
    [InlineData("m9", "nonsense", 1, 0)]
    [InlineData("m9", "02:00:00:00:00:09", 0, 0)]
    [InlineData("m9", "02:00:00:00:00:09", 4095, 0)]
    [InlineData("m9", "02:00:00:00:00:09", 1, -1)]
    [InlineData("m9", "02:00:00:00:00:09", 1, 1e12)]
    public void Join_ImpossibleMachine_IsRefused(string machine, string mac, int vlan, double delay)
    {
        _bench.Join(1);
        Socket intruder = _bench.Intrude();

        intruder.Send(SwitchJson.Write(
            new SwitchRequest { Join = new SwitchJoin { Machine = machine, Mac = mac, Vlan = vlan, DelayMilliseconds = delay } }));
        byte[] buffer = new byte[1000];
        SwitchReply reply = SwitchJson.ReadReply(buffer.AsSpan(0, intruder.Receive(buffer)))!;

        Assert.NotNull(reply.Refusal);
        AssertCut(intruder);
        Assert.Equal([null, "m1"], _bench.Describe().Ports.Select(port => port.Machine));
    }

    [Fact]
    public void Join_OtherVersion_IsRefusedWithTheRemedy()
    {
        _bench.Join(1);
        Socket intruder = _bench.Intrude();

        intruder.Send(SwitchJson.Write(new SwitchRequest { Version = 2 }));
        byte[] buffer = new byte[1000];
        SwitchReply reply = SwitchJson.ReadReply(buffer.AsSpan(0, intruder.Receive(buffer)))!;

        Assert.Contains("same", reply.Refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void Frame_LargerThanAny_IsCutOff()
    {
        _bench.Join(1);
        Socket intruder = _bench.IntrudeAs(9);
        byte[] message = new byte[SwitchMessage.Largest + 1];
        message[0] = SwitchMessage.Frame;

        intruder.Send(message);

        AssertCut(intruder);
        NatBench.WaitUntil(() => _bench.Describe().Ports.Count == 2, "the port's end");
    }

    [Theory]
    [InlineData(1, 2)]    // an unknown flag
    [InlineData(2, 3)]    // an unknown segmentation
    [InlineData(2, 1)]    // segments of no size
    [InlineData(3, 1)]    // a reserved byte
    [InlineData(6, 1)]    // a size without segmentation
    [InlineData(8, 1)]    // a place for a checksum that is not wanted
    public void Frame_HeaderThatCannotBe_IsCutOff(int place, byte value)
    {
        _bench.Join(1);
        Socket intruder = _bench.IntrudeAs(9);
        byte[] message = [SwitchMessage.Frame, .. new byte[SwitchMessage.FrameHeaderSize - 1], .. Broadcast(9)];
        message[place] = value;

        intruder.Send(message);

        AssertCut(intruder);
    }

    [Fact]
    public void Frame_TenThousandRandomMessages_LeaveTheSwitchWorking()
    {
        (NamedSwitchPort one, _) = _bench.Join(1);
        (_, RecordingReceiver card) = _bench.Join(2);
        Random random = new(7);
        for (int round = 0; round < 100; round++)
        {
            Socket intruder = _bench.IntrudeAs(100 + round);
            try
            {
                for (int i = 0; i < 100; i++)
                {
                    byte[] message = [SwitchMessage.Frame, .. new byte[SwitchMessage.FrameHeaderSize - 1], .. Broadcast(9)];
                    message = message[..random.Next(1, message.Length)];
                    for (int change = random.Next(4); change > 0; change--)
                    {
                        message[random.Next(message.Length)] = (byte)random.Next(256);
                    }

                    intruder.Send(message);
                }
            }
            catch (SocketException)
            {
                // cut off, as it should be
            }

            intruder.Dispose();
            while (card.TryTake() is not null)
            {
            }
        }

        SendUntilTaken(one, card, Frame(1, 2, 3));
    }

    [Fact]
    public void Connections_MoreThanTheSwitchTakes_AreClosed()
    {
        (NamedSwitchPort one, _) = _bench.Join(1);
        (_, RecordingReceiver card) = _bench.Join(2);
        Socket[] silent = [.. Enumerable.Range(0, NamedSwitchHost.MostConnections - 2).Select(_ => _bench.Intrude())];

        Socket tooMany = _bench.Intrude();

        AssertCut(tooMany);
        SendUntilTaken(one, card, Frame(1, 2, 3));
        Array.ForEach(silent, socket => socket.Dispose());
    }
}
