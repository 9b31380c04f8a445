using System.Buffers.Binary;
using System.Text;
using Strata.Networking.Nat;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestFrames;

namespace Strata.Networking.Tests.Nat;

/// <summary>Files of a folder for boot loaders: RFC 1350, 2347 to 2349. Nothing leads out of the folder.</summary>
public sealed class TftpTests : IDisposable
{
    private const long Second = 1_000_000_000;
    private const ushort ClientPort = 2000;

    private readonly string _folder = Directory.CreateTempSubdirectory("strata-tftp-").FullName;
    private readonly NatBench _bench;

    public TftpTests()
    {
        Directory.CreateDirectory(PathOf("root/boot"));
        File.WriteAllText(PathOf("root/short"), "a few bytes");
        File.WriteAllBytes(PathOf("root/boot/image"), Content(1200));
        File.WriteAllText(PathOf("secret"), "not theirs");
        _bench = new NatBench(new UserNetworkOptions { TftpFolder = PathOf("root"), BootFile = "boot/pxelinux.0" });
        _bench.Introduce();
    }

    public void Dispose()
    {
        _bench.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Read_WithoutOptions_ComesInBlocksOf512()
    {
        Ask("/boot/image");
        List<byte> content = [];
        for (ushort block = 1; ; block++)
        {
            (ushort port, byte[] message) = Take();
            Assert.Equal((3, block), (Read16(message), Read16(message.AsSpan(2))));
            content.AddRange(message.AsSpan(4));
            Acknowledge(port, block);
            if (message.Length < 4 + 512)
            {
                break;
            }
        }

        Assert.Equal(Content(1200), content.ToArray());
        Assert.Equal(0, _bench.Network.TftpTransferCount);
        _bench.AssertSilent();
    }

    [Fact]
    public void Read_FileOfWholeBlocks_EndsWithAnEmptyOne()
    {
        File.WriteAllBytes(PathOf("root/whole"), Content(512));
        Ask("whole");

        (ushort port, byte[] first) = Take();
        Acknowledge(port, 1);

        Assert.Equal(516, first.Length);
        Assert.Equal([0, 3, 0, 2], Take().Message);
    }

    [Fact]
    public void Read_WithOptions_AgreesOnThemFirst()
    {
        Ask("boot\\image", "blksize", "60000", "tsize", "0", "timeout", "3");

        (ushort port, byte[] answer) = Take();
        Acknowledge(port, 0);
        (_, byte[] block) = Take();

        Assert.Equal("\0\u0006blksize\01468\0tsize\01200\0", Encoding.ASCII.GetString(answer)); // what fits into a frame
        Assert.Equal([0, 3, 0, 1, .. Content(1200)], block);
    }

    [Theory]
    [InlineData("missing", 1)]
    [InlineData("", 1)]
    [InlineData("../secret", 1)]
    [InlineData("boot/../../secret", 1)]
    [InlineData("..\\secret", 1)]
    [InlineData("link", 1)]
    [InlineData("linked/secret", 1)]
    [InlineData("boot", 1)]
    [InlineData("pipe", 1)]
    public void Read_WhatIsNoFileOfTheFolder_IsRefused(string name, int code)
    {
        File.CreateSymbolicLink(PathOf("root/link"), PathOf("secret"));
        File.CreateSymbolicLink(PathOf("root/linked"), _folder);
        MakePipe(PathOf("root/pipe"));

        Ask(name);

        Assert.Equal((5, code), Codes(Take().Message));
        Assert.Equal(0, _bench.Network.TftpTransferCount);
    }

    [Fact]
    public void Read_LinkWithinTheFolder_IsFollowed()
    {
        File.CreateSymbolicLink(PathOf("root/inner"), "short");

        Ask("inner");

        Assert.Equal("a few bytes", Encoding.ASCII.GetString(Take().Message[4..]));
    }

    [Theory]
    [InlineData("\0\u0002short\0octet\0", 2)] // write
    [InlineData("\0\u0001short\0netascii\0", 4)]
    [InlineData("\0\u0001short\0octet", 4)]
    [InlineData("\0\u0001short\0octet\0blksize\0", 4)]
    [InlineData("\0\u0007", 4)]
    [InlineData("\0", 4)]
    [InlineData("", 4)]
    public void Request_ThatCannotBe_IsRefused(string message, int code)
    {
        Send(69, Encoding.ASCII.GetBytes(message));

        Assert.Equal((5, code), Codes(Take().Message));
    }

    [Fact]
    public void Block_NotAcknowledged_IsSentAgainAndGivenUp()
    {
        Ask("short");
        byte[] first = Take().Message;

        List<byte[]> again = [];
        for (int i = 0; i < 20; i++)
        {
            _bench.Clock.Advance(Second);
            while (_bench.Card.TryTake() is { } frame)
            {
                again.Add(Open(frame).Message);
            }
        }

        Assert.Equal(7, again.Count); // eight times in all
        Assert.All(again, message => Assert.Equal(first, message));
        Assert.Equal(0, _bench.Network.TftpTransferCount);
    }

    [Fact]
    public void Acknowledgment_OfAnEarlierBlock_SendsNothing()
    {
        Ask("boot/image");
        (ushort port, _) = Take();
        Acknowledge(port, 1);
        Take();

        Acknowledge(port, 1);

        _bench.AssertSilent(); // otherwise every block from here on would be sent twice
    }

    [Fact]
    public void Error_OfTheClient_EndsTheTransfer()
    {
        Ask("short", "tsize", "0");
        (ushort port, _) = Take();

        Send(port, [0, 5, 0, 0, 0]);

        Assert.Equal(0, _bench.Network.TftpTransferCount);
        _bench.AssertSilent();
    }

    [Fact]
    public void Request_Again_TakesThePlaceOfTheFirst()
    {
        Ask("short");
        Ask("short");

        Assert.Equal(1, _bench.Network.TftpTransferCount);
    }

    [Fact]
    public void Requests_WithoutEnd_KeepSixteenFilesOpen()
    {
        for (ushort port = 3000; port < 3100; port++)
        {
            Send(69, Request("short"), port);
        }

        Assert.Equal(16, _bench.Network.TftpTransferCount);
    }

    [Fact]
    public void File_ThatGetsShorter_EndsThere()
    {
        Ask("boot/image");
        (ushort port, _) = Take();
        File.WriteAllBytes(PathOf("root/boot/image"), Content(100));

        Acknowledge(port, 1);

        Assert.Equal([0, 3, 0, 2], Take().Message);
    }

    [Fact]
    public void Reset_OfTheMachine_EndsTransfers()
    {
        Ask("short");

        Assert.Single(_bench.Network.GetUnits("net")).Reset();

        Assert.Equal(0, _bench.Network.TftpTransferCount);
    }

    [Fact]
    public void Dhcp_NamesTheFileAndTheServer()
    {
        byte[] discover = new byte[240 + 4];
        (discover[0], discover[1], discover[2]) = (1, 1, 6);
        GuestMac.CopyTo(discover, 28);
        new byte[] { 0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255 }.CopyTo(discover, 236);
        byte[] nobody = [0, 0, 0, 0];
        byte[] all = [255, 255, 255, 255];

        _bench.Send(Ethernet(Everybody, GuestMac, 0x0800, Ipv4(nobody, all, UdpProtocol, UdpDatagram(nobody, all, 68, 67, discover))));

        byte[] offer = OpenIpv4(_bench.Take().Bytes, UdpProtocol, Gateway, Guest)[8..];
        Assert.Equal(Gateway, offer[20..24]);
        Assert.Equal("boot/pxelinux.0\0", Encoding.ASCII.GetString(offer, 108, 16));
    }

    [Fact]
    public void Options_ThatCannotBe_AreRefused()
    {
        Assert.Throws<DirectoryNotFoundException>(() => new NatBench(new UserNetworkOptions { TftpFolder = PathOf("missing") }));
        Assert.Throws<ArgumentException>(() => new NatBench(new UserNetworkOptions { BootFile = new string('a', 128) }));
        Assert.Throws<ArgumentException>(() => new NatBench(new UserNetworkOptions { BootFile = "\u00E4" }));
    }

    private static byte[] Content(int size) => [.. Enumerable.Range(0, size).Select(i => (byte)(i * 7))];

    private static byte[] Request(string name, params string[] options) =>
        [0, 1, .. Encoding.ASCII.GetBytes(string.Join('\0', [name, "octet", .. options])), 0];

    private static void MakePipe(string path)
    {
        using System.Diagnostics.Process process = System.Diagnostics.Process.Start("mkfifo", [path]);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    private static ushort Read16(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt16BigEndian(bytes);

    private static (int Opcode, int Code) Codes(byte[] message) => (Read16(message), Read16(message.AsSpan(2)));

    private string PathOf(string name) => Path.Combine(_folder, name);

    private void Ask(string name, params string[] options) => Send(69, Request(name, options));

    private void Acknowledge(ushort port, ushort block) => Send(port, [0, 4, (byte)(block >> 8), (byte)block]);

    private void Send(ushort port, byte[] message, ushort from = ClientPort) =>
        _bench.Send(Packet(Guest, Gateway, UdpProtocol, UdpDatagram(Guest, Gateway, from, port, message)));

    private (ushort Port, byte[] Message) Take() => Open(_bench.Take());

    private static (ushort Port, byte[] Message) Open(RecordedFrame frame)
    {
        byte[] datagram = OpenIpv4(frame.Bytes, UdpProtocol, Gateway, Guest);
        return (Read16(datagram), datagram[8..]);
    }
}
