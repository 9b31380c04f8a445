using Strata.Networking.Frames;
using Strata.Networking.Tests.Harness;

namespace Strata.Networking.Tests.Frames;

/// <summary>RFC 1071.</summary>
public sealed class InternetChecksumTests
{
    [Fact]
    public void Finish_ExampleOfTheRfc_IsItsResult() =>
        Assert.Equal(0xDDF2, InternetChecksum.Fold(InternetChecksum.Add([0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7])));

    [Fact]
    public void Add_EveryLength_EqualsTheSumFieldByField()
    {
        Random random = new(7);
        for (int length = 0; length < 300; length++)
        {
            byte[] bytes = new byte[length];
            random.NextBytes(bytes);

            Assert.Equal(GuestFrames.Checksum(bytes), InternetChecksum.Finish(InternetChecksum.Add(bytes)));
        }
    }

    [Fact]
    public void Add_AllOnes_DoesNotOverflow()
    {
        byte[] bytes = new byte[65535];
        bytes.AsSpan().Fill(0xFF);

        Assert.Equal(GuestFrames.Checksum(bytes), InternetChecksum.Finish(InternetChecksum.Add(bytes)));
    }

    [Fact]
    public void Add_TwoEvenPieces_EqualsTheWhole()
    {
        byte[] bytes = [.. Enumerable.Range(0, 101).Select(i => (byte)(i * 77))];

        ulong inPieces = InternetChecksum.Add(bytes.AsSpan(38), InternetChecksum.Add(bytes.AsSpan(0, 38)));

        Assert.Equal(InternetChecksum.Finish(InternetChecksum.Add(bytes)), InternetChecksum.Finish(inPieces));
    }
}
