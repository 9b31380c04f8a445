using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Strata.Core.Networking;
using Strata.Networking.Tap;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestFrames;

namespace Strata.Networking.Tests.Tap;

/// <summary>A real tap of the host's kernel, which is the peer: skipped without the right to make one.</summary>
public sealed class TapNetworkTests
{
    private static readonly byte[] HostAddress = [198, 51, 100, 1];
    private static readonly byte[] GuestAddress = [198, 51, 100, 2];

    [TapFact]
    public void Datagrams_BothWays_PassTheKernel()
    {
        string name = $"strata{Environment.ProcessId % 100000}";
        RecordingReceiver card = new() { Accepts = FrameFeatures.PartialChecksum };
        using TapNetwork tap = new(name);
        tap.Connect(card);
        Run("ip", "addr", "add", "198.51.100.1/24", "dev", name);
        Run("ip", "link", "set", name, "up");
        using Socket host = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 60_000 };
        host.Bind(new IPEndPoint(new IPAddress(HostAddress), 0));
        ushort port = (ushort)((IPEndPoint)host.LocalEndPoint!).Port;

        host.SendTo([1, 2, 3, 4], new IPEndPoint(new IPAddress(GuestAddress), 9));
        byte[] who = TakeWhere(card, frame => Read16(frame, 12) == 0x0806 && frame[41] == GuestAddress[3]);
        byte[] hostMac = who[6..12];
        tap.Send(
            Ethernet(hostMac, GuestMac, 0x0806, [0, 1, 8, 0, 6, 4, 0, 2, .. GuestMac, .. GuestAddress, .. hostMac, .. HostAddress]),
            FrameOffload.None);
        byte[] datagram = TakeWhere(card, frame => Read16(frame, 12) == 0x0800 && frame[23] == UdpProtocol && Read16(frame, 36) == 9);
        byte[] answer = Ipv4(GuestAddress, HostAddress, UdpProtocol, UdpDatagram(GuestAddress, HostAddress, 9, port, [5, 6, 7]));
        tap.Send(Ethernet(hostMac, GuestMac, 0x0800, answer), FrameOffload.None);

        byte[] heard = new byte[16];
        Assert.Equal([1, 2, 3, 4], datagram[42..46]);
        Assert.Equal(3, host.Receive(heard));
        Assert.Equal([5, 6, 7], heard[..3]);
    }

    [TapFact]
    public void Open_NameInUse_SaysSo()
    {
        string name = $"stratb{Environment.ProcessId % 100000}";
        using TapNetwork first = new(name);

        IOException error = Assert.Throws<IOException>(() => new TapNetwork(name));

        Assert.Contains("in use", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a-name-that-is-too-long")]
    [InlineData("with space")]
    [InlineData("../tun")]
    [InlineData("tap%d")]
    [InlineData("tap0:1")]
    [InlineData("tap\n0")]
    [InlineData("täp")]
    [InlineData("..")]
    public void Open_BadName_IsRefused(string name) => Assert.Throws<ArgumentException>(() => new TapNetwork(name));

    /// <summary>The next frame of a kind; a kernel sends others on its own.</summary>
    private static byte[] TakeWhere(RecordingReceiver card, Func<byte[], bool> wanted)
    {
        byte[]? found = null;
        NatBench.WaitUntil(
            () => card.TryTake() is { } frame && frame.Bytes.Length >= 42 && wanted(found = frame.Bytes), "the kernel's frame");
        return found!;
    }

    private static void Run(string tool, params string[] arguments)
    {
        using Process process = Process.Start(tool, arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    [AttributeUsage(AttributeTargets.Method)]
    private sealed class TapFactAttribute : FactAttribute
    {
        public TapFactAttribute() => Skip = Environment.IsPrivilegedProcess && File.Exists("/dev/net/tun") && File.Exists("/sbin/ip")
            ? null
            : "The tests may not make a tap here: it takes root, /dev/net/tun and the command ip.";
    }
}
