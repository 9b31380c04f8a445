using Strata.Core.Networking;
using static Strata.Networking.Tests.Harness.GuestFrames;

namespace Strata.Networking.Tests.Harness;

/// <summary>A segment that reached the guest, taken apart.</summary>
internal sealed record GuestSegment(
    uint Sequence, uint Acknowledgment, byte Flags, ushort Window, byte[] Options, byte[] Data, FrameOffload Offload, ushort Urgent);

/// <summary>
/// The guest's end of one TCP connection, worked by hand: every segment is what a test says. The remote address says by which protocol.
/// </summary>
internal sealed class GuestTcp(IGuestWire bench, ushort guestPort, byte[] remote, ushort remotePort)
{
    public const byte Fin = 1;
    public const byte Syn = 2;
    public const byte Rst = 4;
    public const byte Psh = 8;
    public const byte Ack = 16;
    public const byte Urg = 32;

    public static readonly byte[] SegmentSize1460 = [2, 4, 5, 0xB4];
    public static readonly byte[] SegmentSize1440 = [2, 4, 5, 0xA0];
    public static readonly byte[] Scale7 = [1, 3, 3, 7];

    /// <summary>The next byte that the guest sends.</summary>
    public uint Next { get; set; } = 1000;

    /// <summary>The next byte that the guest expects.</summary>
    public uint Expected { get; set; }

    public ushort Window { get; set; } = 0xFFFF;

    public ushort GuestPort => guestPort;

    private byte[] Guest => remote.Length == 4 ? GuestFrames.Guest : Guest6;

    public void Send(
        byte flags, byte[]? data = null, byte[]? options = null, uint? sequence = null, uint? acknowledgment = null, ushort? window = null,
        ushort urgent = 0)
    {
        byte[] head = options ?? [];
        byte[] segment =
        [
            .. Big16(guestPort), .. Big16(remotePort), .. Big32(sequence ?? Next), .. Big32(acknowledgment ?? Expected),
            (byte)((20 + head.Length) / 4 << 4), flags, .. Big16(window ?? Window), 0, 0, .. Big16(urgent), .. head, .. data ?? [],
        ];
        byte[] checksum = Big16(TransportChecksum(Guest, remote, TcpProtocol, segment));
        checksum.CopyTo(segment, 16);
        bench.Send(Packet(Guest, remote, TcpProtocol, segment));
        if (sequence is null)
        {
            Next += (uint)(data?.Length ?? 0) + (((flags & Syn) != 0) ? 1u : 0) + (((flags & Fin) != 0) ? 1u : 0);
        }
    }

    /// <summary>The next segment to the guest, with its headers and checksums checked.</summary>
    public GuestSegment Receive()
    {
        RecordedFrame frame = bench.Take();
        byte[] segment = GuestFrames.Open(frame.Bytes, TcpProtocol, remote, Guest);
        Assert.Equal(remotePort, Read16(segment, 0));
        Assert.Equal(guestPort, Read16(segment, 2));
        if (frame.Offload.NeedsChecksum)
        {
            Assert.Equal(EthernetSize + (remote.Length == 4 ? Ipv4Size : Ipv6Size), frame.Offload.ChecksumStart);
            Assert.Equal(16, frame.Offload.ChecksumOffset);
            byte[] pseudo = [.. remote, .. Guest, 0, TcpProtocol, .. Big16((ushort)segment.Length)];
            Assert.Equal((ushort)~Checksum(pseudo), Read16(segment, 16));
        }
        else
        {
            Assert.Equal(0, TransportChecksum(remote, Guest, TcpProtocol, segment));
        }

        int header = (segment[12] >> 4) * 4;
        return new GuestSegment(
            Read32(segment, 4), Read32(segment, 8), segment[13], Read16(segment, 14), segment[20..header], segment[header..], frame.Offload,
            Read16(segment, 18));
    }

    /// <summary>Receives a segment and takes its data in: the next acknowledgment covers it.</summary>
    public GuestSegment Accept()
    {
        GuestSegment segment = Receive();
        Assert.Equal(Expected, segment.Sequence);
        Expected = segment.Sequence + (uint)segment.Data.Length + (
            ((segment.Flags & Syn) != 0) ? 1u : 0) + (((segment.Flags & Fin) != 0) ? 1u : 0);
        return segment;
    }

    /// <summary>The three-way handshake, begun by the guest.</summary>
    /// <returns>The SYN-ACK.</returns>
    public GuestSegment Open(byte[]? options = null)
    {
        Send(Syn, options: options ?? [.. SegmentSize1460, .. Scale7]);
        GuestSegment answer = Receive();
        Assert.Equal(Syn | Ack, answer.Flags);
        Assert.Equal(Next, answer.Acknowledgment);
        Expected = answer.Sequence + 1;
        Send(Ack);
        return answer;
    }

    /// <summary>Receives data until <paramref name="count"/> bytes have come, acknowledging every segment.</summary>
    public byte[] ReceiveData(int count)
    {
        List<byte> bytes = [];
        while (bytes.Count < count)
        {
            bytes.AddRange(Accept().Data);
            Send(Ack);
        }

        return [.. bytes];
    }

    /// <summary>Takes segments until one acknowledges everything sent.</summary>
    public GuestSegment WaitForAcknowledgment()
    {
        GuestSegment segment;
        do
        {
            segment = Receive();
        }
        while (segment.Acknowledgment != Next);

        return segment;
    }
}
