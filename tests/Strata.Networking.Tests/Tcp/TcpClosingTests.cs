using System.Net.Sockets;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestTcp;

namespace Strata.Networking.Tests.Tcp;

/// <summary>How connections end. RFC 9293, "Closing a Connection"; RFC 5961.</summary>
public sealed class TcpClosingTests : IDisposable
{
    private const long Second = 1_000_000_000;
    private readonly NatBench _bench = new();
    private readonly HostServer _server = new();
    private readonly GuestTcp _guest;
    private readonly Socket _host;

    public TcpClosingTests()
    {
        _guest = new GuestTcp(_bench, 40000, GuestFrames.Gateway, _server.Port);
        _guest.Open();
        _host = _server.Accept();
    }

    public void Dispose()
    {
        _host.Dispose();
        _bench.Dispose();
        _server.Dispose();
    }

    [Fact]
    public void Close_GuestFirst_HostMayStillSendAndThenBothAreDone()
    {
        _guest.Send(Fin | Ack);
        Assert.Equal(_guest.Next, _guest.Receive().Acknowledgment);
        Assert.Equal(0, _host.Receive(new byte[1]));

        _host.Send([1, 2, 3]);
        Assert.Equal([1, 2, 3], _guest.Accept().Data);
        _guest.Send(Ack);
        _host.Dispose();
        Assert.Equal(Fin | Ack, _guest.Accept().Flags);
        _guest.Send(Ack);

        Assert.Equal(0, _bench.Network.ConnectionCount);
        Assert.Equal(0, _bench.Network.BufferedBytes);
    }

    [Fact]
    public void Close_HostFirst_GuestMayStillSendAndTheConnectionIsRememberedForAWhile()
    {
        _host.Shutdown(SocketShutdown.Send);
        Assert.Equal(Fin | Ack, _guest.Accept().Flags);
        _guest.Send(Ack);

        _guest.Send(Ack | Psh, [4, 5, 6]);
        Assert.Equal([4, 5, 6], HostServer.Read(_host, 3));
        _guest.Receive();
        _guest.Send(Fin | Ack);
        Assert.Equal(_guest.Next, _guest.Receive().Acknowledgment);
        Assert.Equal(0, _host.Receive(new byte[1]));

        Assert.Equal(1, _bench.Network.ConnectionCount);
        _guest.Send(Fin | Ack, sequence: _guest.Next - 1); // its acknowledgment was lost
        Assert.Equal(_guest.Next, _guest.Receive().Acknowledgment);
        _bench.Clock.Advance(10 * Second);
        Assert.Equal(0, _bench.Network.ConnectionCount);
    }

    [Fact]
    public void Close_BothAtOnce_PassesThroughClosing()
    {
        _host.Shutdown(SocketShutdown.Send);
        GuestSegment fin = _guest.Receive();
        Assert.Equal(Fin | Ack, fin.Flags);

        _guest.Send(Fin | Ack); // it has not seen the host's
        Assert.Equal(_guest.Next, _guest.Receive().Acknowledgment);
        _guest.Send(Ack, acknowledgment: fin.Sequence + 1);

        Assert.Equal(1, _bench.Network.ConnectionCount); // TIME-WAIT
        _bench.Clock.Advance(10 * Second);
        Assert.Equal(0, _bench.Network.ConnectionCount);
        _bench.AssertSilent();
    }

    [Fact]
    public void Close_DataWithFin_IsDeliveredBeforeTheEnd()
    {
        _guest.Send(Fin | Ack | Psh, [1, 2, 3]);

        Assert.Equal([1, 2, 3], HostServer.Read(_host, 3));
        Assert.Equal(0, _host.Receive(new byte[1]));
        Assert.Equal(_guest.Next, _guest.Receive().Acknowledgment);
    }

    [Fact]
    public void Close_FinIsLost_IsRepeated()
    {
        _host.Shutdown(SocketShutdown.Send);
        GuestSegment lost = _guest.Receive();

        _bench.Clock.Advance(Second / 5);

        GuestSegment again = _guest.Receive();
        Assert.Equal((lost.Sequence, lost.Flags), (again.Sequence, again.Flags));
    }

    [Fact]
    public void Close_HostEndsWithUnsentData_GuestGetsAllOfItAndThenFin()
    {
        _guest.Window = 1; // 128 bytes
        _guest.Send(Ack);
        byte[] data = [.. Enumerable.Range(0, 1000).Select(i => (byte)i)];

        _host.Send(data);
        _host.Dispose();
        List<byte> heard = [];
        GuestSegment segment;
        do
        {
            segment = _guest.Accept();
            heard.AddRange(segment.Data);
            _guest.Send(Ack);
        }
        while ((segment.Flags & Fin) == 0);

        Assert.Equal(data, heard.ToArray());
    }

    [Fact]
    public void Close_GuestEndsBeforeTheHostHasReadAll_HostGetsAllOfIt()
    {
        byte[] block = [.. Enumerable.Range(0, 32_000).Select(i => (byte)(i * 3))];
        List<byte> sent = [];
        for (int window = int.MaxValue; window >= block.Length;)
        {
            _guest.Send(Ack, block);
            sent.AddRange(block);
            window = _guest.WaitForAcknowledgment().Window << 7;
        }

        _host.Shutdown(SocketShutdown.Send);
        Assert.Equal(Fin | Ack, _guest.Accept().Flags);
        _guest.Send(Fin | Ack);
        _guest.WaitForAcknowledgment();
        _bench.Clock.Advance(30 * Second);

        Assert.Equal(sent.ToArray(), HostServer.Read(_host, sent.Count));
        Assert.Equal(0, _host.Receive(new byte[1]));
        NatBench.WaitUntil(
            () =>
            {
                _bench.Clock.Advance(Second);
                return _bench.Network.ConnectionCount == 0;
            },
            "the connection's end");
    }

    [Fact]
    public void Reset_ByTheHost_ResetsTheGuest()
    {
        _host.LingerState = new LingerOption(enable: true, seconds: 0);
        _host.Dispose();

        GuestSegment reset = _guest.Receive();

        Assert.Equal(Rst | Ack, reset.Flags);
        Assert.Equal(_guest.Expected, reset.Sequence);
        Assert.Equal(0, _bench.Network.ConnectionCount);
    }

    [Fact]
    public void Reset_ByTheGuest_ResetsTheHost()
    {
        _guest.Send(Rst);

        SocketException error = Assert.Throws<SocketException>(() => _host.Receive(new byte[1]));
        Assert.Equal(SocketError.ConnectionReset, error.SocketErrorCode);
        Assert.Equal(0, _bench.Network.ConnectionCount);
        _bench.AssertSilent();
    }

    [Fact]
    public void Reset_NotExactlyNext_IsQuestioned()
    {
        _guest.Send(Rst, sequence: _guest.Next + 10);

        GuestSegment challenge = _guest.Receive();

        Assert.Equal((Ack, _guest.Next), (challenge.Flags, challenge.Acknowledgment));
        Assert.Equal(1, _bench.Network.ConnectionCount);
    }

    [Fact]
    public void Reset_OutsideTheWindow_IsIgnored()
    {
        _guest.Send(Rst, sequence: _guest.Next - 10);

        _bench.AssertSilent();
        Assert.Equal(1, _bench.Network.ConnectionCount);
    }

    [Fact]
    public void Syn_OnAnOpenConnection_IsQuestioned()
    {
        _guest.Send(Syn, sequence: _guest.Next + 5);

        Assert.Equal(Ack, _guest.Receive().Flags);
        Assert.Equal(1, _bench.Network.ConnectionCount);
    }

    [Fact]
    public void Syn_InTimeWait_OpensANewConnection()
    {
        _host.Shutdown(SocketShutdown.Send);
        _guest.Accept();
        _guest.Send(Fin | Ack);
        _guest.Receive();

        _guest.Next += 10_000;
        GuestSegment answer = _guest.Open();

        Assert.Equal(Syn | Ack, answer.Flags);
        using Socket second = _server.Accept();
        Assert.Equal(1, _bench.Network.ConnectionCount);
    }

    [Fact]
    public void Acknowledgment_OfWhatWasNeverSent_IsAnsweredAndHasNoEffect()
    {
        _guest.Send(Ack, acknowledgment: _guest.Expected + 100);

        GuestSegment answer = _guest.Receive();

        Assert.Equal((Ack, _guest.Expected), (answer.Flags, answer.Sequence));
        _host.Send([1]);
        Assert.Equal([1], _guest.Accept().Data);
    }

    [Fact]
    public void Dispose_OpenConnections_ResetsTheHost()
    {
        _bench.Dispose();

        Assert.Throws<SocketException>(() => _host.Receive(new byte[1]));
    }
}
