using Strata.Core.Posix;

namespace Strata.Core.Tests.Posix;

/// <summary>Bytes that pass through strings.</summary>
public sealed class ByteTextTests
{
    public static TheoryData<byte[]> Names => new()
    {
        Array.Empty<byte>(),
        "plain"u8.ToArray(),
        "grüße 日本 😀"u8.ToArray(),
        new byte[] { (byte)'x', 0xE9 },
        new byte[] { 0xFF, 0xFE, 0x80, (byte)'a', 0xC3 },
        new byte[] { 0xED, 0xA0, 0x80 }, // half of a surrogate pair in UTF-8, which is none
        new byte[] { 0xED, 0xB2, 0x80 }, // what an escape itself would be in UTF-8
        new byte[] { 0xF0, 0x9F, 0x98, 0xE9, 0xC3, 0xA9 },
        Enumerable.Range(1, 255).Select(value => (byte)value).ToArray(),
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void GetBytes_OfWhatGetStringMade_AreTheSameBytes(byte[] bytes) =>
        Assert.Equal(bytes, ByteText.GetBytes(ByteText.GetString(bytes)));

    [Fact]
    public void GetString_Text_IsTheText() => Assert.Equal("grüße 😀", ByteText.GetString("grüße 😀"u8));

    [Fact]
    public void GetString_ByteThatIsNoText_IsALoneSurrogate() =>
        Assert.Equal("caf\uDCE9", ByteText.GetString([.. "caf"u8, 0xE9]));

    [Fact]
    public void GetBytes_HalfOfAPairThatStandsForNoByte_IsTheReplacementCharacter() =>
        Assert.Equal("\uFFFD"u8.ToArray(), ByteText.GetBytes("\uD800"));

    [Fact]
    public void GetBytes_RandomBytes_RoundTrip()
    {
        Random random = new(1);
        for (int i = 0; i < 2_000; i++)
        {
            byte[] bytes = new byte[random.Next(20)];
            random.NextBytes(bytes);

            Assert.Equal(bytes, ByteText.GetBytes(ByteText.GetString(bytes)));
        }
    }
}
