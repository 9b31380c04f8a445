using Strata.Core.Networking;
using Strata.Networking.Frames;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestFrames;

namespace Strata.Networking.Tests.Frames;

/// <summary>Software checksums and segmentation: what comes out must be what a card would put on the wire.</summary>
public sealed class FrameCompletionTests
{
    private const int TcpStart = EthernetSize + Ipv4Size;
    private static readonly byte[] Host = [10, 0, 0, 9];

    [Fact]
    public void Complete_ReceiverThatAcceptsIt_PassesTheFrameUntouched()
    {
        byte[] frame = LargeSegment(5000, out FrameOffload offload);

        List<(
            byte[] Frame,
            FrameOffload Offload)> pieces = Complete(frame, offload, FrameFeatures.PartialChecksum | FrameFeatures.Tcp4Segmentation);

        (byte[] only, FrameOffload rest) = Assert.Single(pieces);
        Assert.Equal(frame, only);
        Assert.Equal(offload, rest);
    }

    [Fact]
    public void Complete_PartialChecksum_IsFinished()
    {
        byte[] frame = LargeSegment(500, out FrameOffload offload);

        List<(byte[] Frame, FrameOffload Offload)> pieces = Complete(
            frame, offload with { Segmentation = FrameFeatures.None, SegmentSize = 0 }, FrameFeatures.None);

        (byte[] only, FrameOffload rest) = Assert.Single(pieces);
        Assert.Equal(FrameOffload.None, rest);
        Assert.Equal(0, TransportChecksum(Guest, Host, TcpProtocol, only[TcpStart..]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    public void Complete_LargeSegment_BecomesCompleteFramesInOrder(int tag)
    {
        byte[] frame = LargeSegment(5000, out FrameOffload offload);
        if (tag != 0)
        {
            frame = [.. frame[..12], 0x81, 0, 0, 7, .. frame[12..]];
            offload = offload with { ChecksumStart = (ushort)(offload.ChecksumStart + tag) };
        }

        List<(byte[] Frame, FrameOffload Offload)> pieces = Complete(frame, offload, FrameFeatures.PartialChecksum);

        Assert.Equal(4, pieces.Count);
        List<byte> data = [];
        for (int i = 0; i < pieces.Count; i++)
        {
            byte[] packet = pieces[i].Frame[(EthernetSize + tag)..];
            Assert.Equal(FrameOffload.None, pieces[i].Offload);
            Assert.Equal(packet.Length, Read16(packet, 2));
            Assert.Equal(700 + i, Read16(packet, 4));
            Assert.Equal(0, Checksum(packet.AsSpan(0, Ipv4Size)));
            byte[] segment = packet[Ipv4Size..];
            Assert.Equal(0, TransportChecksum(Guest, Host, TcpProtocol, segment));
            Assert.Equal(0xFFFF_FF00U + (uint)(i * 1460), Read32(segment, 4));
            Assert.Equal((i == 0 ? 0x80 : 0) | (i == 3 ? 0x19 : 0x10), segment[13]); // CWR first, FIN and PSH last
            data.AddRange(segment[20..]);
        }

        Assert.Equal(Data(5000), data.ToArray());
    }

    [Fact]
    public void Complete_LargeIpv6Segment_BecomesCompleteFrames()
    {
        byte[] addresses = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];
        byte[] tcp = [0x10, 0, 0x20, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x10, 1, 0, 0, 0, 0, 0];
        byte[] frame = [
            .. Ethernet(GatewayMac, GuestMac, 0x86DD, [0x60, 0, 0, 0, .. Big16(3020), 6, 64, .. addresses, .. tcp, .. Data(3000)])];
        FrameOffload offload = new()
        {
            NeedsChecksum = true, ChecksumStart = 54, ChecksumOffset = 16, Segmentation = FrameFeatures.Tcp6Segmentation,
            SegmentSize = 1440,
        };

        List<(byte[] Frame, FrameOffload Offload)> pieces = Complete(frame, offload, FrameFeatures.None);

        Assert.Equal([1440, 1440, 120], pieces.Select(piece => piece.Frame.Length - 74));
        Assert.All(pieces, piece =>
        {
            byte[] segment = piece.Frame[54..];
            Assert.Equal(segment.Length, Read16(piece.Frame, 18));
            byte[] pseudo = [.. addresses, 0, 0, .. Big16((ushort)segment.Length), 0, 0, 0, 6, .. segment];
            Assert.Equal(0, Checksum(pseudo));
        });
    }

    [Fact]
    public void Complete_HeadersThatLie_NeverThrowNorLoop()
    {
        Random random = new(11);
        byte[] good = LargeSegment(3000, out FrameOffload offload);
        long produced = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] frame = good[..random.Next(14, good.Length)];
            for (int j = 0; j < 3; j++)
            {
                frame[random.Next(12, Math.Min(frame.Length, 60))] = (byte)random.Next(256);
            }

            FrameOffload bad = offload with
            {
                ChecksumStart = (ushort)(random.Next(3) == 0 ? random.Next(65536) : 34),
                SegmentSize = (ushort)random.Next(1, 2000),
                Segmentation = random.Next(2) == 0 ? FrameFeatures.Tcp4Segmentation : FrameFeatures.Tcp6Segmentation,
            };
            FrameCompletion.Complete(
                frame, bad, FrameFeatures.None, (ReadOnlySpan<byte> piece, in FrameOffload _) => produced += piece.Length);
        }

        Assert.True(produced > 0);
    }

    private static byte[] Data(int length) => [.. Enumerable.Range(0, length).Select(i => (byte)((i * 11) ^ (i >> 7)))];

    /// <summary>A segment as a driver hands it over: the checksum field holds the pseudo-header's sum.</summary>
    private static byte[] LargeSegment(int length, out FrameOffload offload)
    {
        byte[] pseudo = [.. Guest, .. Host, 0, TcpProtocol, .. Big16((ushort)(20 + length))];
        ushort sum = (ushort)~Checksum(pseudo);
        byte[] tcp = [0x10, 0, 0x20, 0, .. Big32(0xFFFF_FF00), 0, 0, 0, 5, 0x50, 0x99, 1, 0, .. Big16(sum), 0, 0, .. Data(length)];
        offload = new FrameOffload
        {
            NeedsChecksum = true, ChecksumStart = TcpStart, ChecksumOffset = 16,
            Segmentation = FrameFeatures.Tcp4Segmentation, SegmentSize = 1460, HeaderLength = TcpStart + 20,
        };
        return Ethernet(GatewayMac, GuestMac, 0x0800, Ipv4(Guest, Host, TcpProtocol, tcp, identification: 700));
    }

    private static List<(byte[] Frame, FrameOffload Offload)> Complete(byte[] frame, FrameOffload offload, FrameFeatures accepts)
    {
        List<(byte[] Frame, FrameOffload Offload)> pieces = [];
        FrameCompletion.Complete(
            frame, offload, accepts, (ReadOnlySpan<byte> piece, in FrameOffload rest) => pieces.Add((piece.ToArray(), rest)));
        return pieces;
    }
}
