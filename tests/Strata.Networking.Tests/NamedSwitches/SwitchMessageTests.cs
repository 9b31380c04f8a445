using Strata.Core.Networking;
using Strata.Networking.NamedSwitches;

namespace Strata.Networking.Tests.NamedSwitches;

/// <summary>The form of messages between a machine and its switch.</summary>
public sealed class SwitchMessageTests
{
    private static readonly FrameOffload Segment = new()
    {
        NeedsChecksum = true, ChecksumStart = 0x0102, ChecksumOffset = 0x0304, HeaderLength = 0x0506,
        Segmentation = FrameFeatures.Tcp6Segmentation, SegmentSize = 0x0708,
    };

    [Fact]
    public void WriteFrameHeader_Segment_IsLaidOutAsDocumented()
    {
        byte[] header = new byte[SwitchMessage.FrameHeaderSize];

        SwitchMessage.WriteFrameHeader(header, Segment);

        Assert.Equal([(byte)'F', 1, 2, 0, 6, 5, 8, 7, 2, 1, 4, 3], header);
    }

    [Fact]
    public void TryReadFrame_LargestSegment_GivesBackWhatWasWritten()
    {
        byte[] message = Message(Segment, SwitchMessage.LargestFrame);

        bool good = SwitchMessage.TryReadFrame(message, out ReadOnlySpan<byte> frame, out FrameOffload offload);

        Assert.True(good);
        Assert.Equal(Segment, offload);
        Assert.Equal(SwitchMessage.LargestFrame, frame.Length);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(13)]
    [InlineData(SwitchMessage.LargestFrame + 1)]
    public void TryReadFrame_LengthOfNoFrame_IsRefused(int length) =>
        Assert.False(SwitchMessage.TryReadFrame(Message(FrameOffload.None, length), out _, out _));

    [Theory]
    [InlineData(60, 58, 0, true)]
    [InlineData(60, 58, 1, false)]
    [InlineData(60, 0, 59, false)]
    [InlineData(60, 65535, 65535, false)]
    public void TryReadFrame_PlaceOfTheChecksum_HasToLieInTheFrame(int length, int start, int offset, bool expected)
    {
        FrameOffload offload = new() { NeedsChecksum = true, ChecksumStart = (ushort)start, ChecksumOffset = (ushort)offset };

        Assert.Equal(expected, SwitchMessage.TryReadFrame(Message(offload, length), out _, out _));
        Assert.Equal(expected, SwitchMessage.CanCarry(new byte[length], offload));
    }

    [Fact]
    public void TryReadFrame_EveryMessageThatIsRead_CouldHaveBeenSent()
    {
        Random random = new(11);
        int read = 0;
        for (int i = 0; i < 200_000; i++)
        {
            byte[] message = new byte[random.Next(100)];
            random.NextBytes(message);
            byte[] likely = [
                (byte)'F', (byte)random.Next(2), (byte)random.Next(3), 0, 0, 0, 0, (byte)random.Next(2), (byte)random.Next(90), 0,
                (byte)random.Next(40), 0];
            likely.AsSpan(0, Math.Min(message.Length, random.Next(13))).CopyTo(message);
            if (SwitchMessage.TryReadFrame(message, out ReadOnlySpan<byte> frame, out FrameOffload offload))
            {
                byte[] again = Message(offload, frame.Length);
                Assert.Equal(message[..SwitchMessage.FrameHeaderSize], again[..SwitchMessage.FrameHeaderSize]);
                Assert.True(SwitchMessage.CanCarry(frame, offload));
                read++;
            }
        }

        Assert.InRange(read, 100, 100_000);
    }

    private static byte[] Message(in FrameOffload offload, int length)
    {
        byte[] message = new byte[SwitchMessage.FrameHeaderSize + length];
        SwitchMessage.WriteFrameHeader(message, offload);
        return message;
    }
}
