using System.Buffers.Binary;
using Microsoft.Extensions.Logging.Abstractions;
using Strata.Sounds;

namespace Strata.Tests;

/// <summary>Where a machine's sound goes.</summary>
public sealed class SoundSpecTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Parse_FileOrNone_IsWhereSoundGoes()
    {
        Assert.Equal("a,b.wav", SoundSpec.Parse("wav=a,b.wav").Wave);
        Assert.Null(SoundSpec.Parse("none").Wave);
    }

    [Theory]
    [InlineData("")]
    [InlineData("wav=")]
    [InlineData("speakers")]
    public void Parse_AnythingElse_IsRefused(string text) =>
        Assert.Equal(StrataError.BadInput, Assert.Throws<StrataException>(() => SoundSpec.Parse(text)).Error);

    [Fact]
    public void WaveFile_Samples_AreInItWithTheirSize()
    {
        string path = _folder.PathOf("a.wav");
        using (WaveFile file = new(path, NullLogger.Instance))
        {
            file.Write([1, -2, 3, -4]);
            file.Write([5, -6]);
        }

        byte[] bytes = File.ReadAllBytes(path);
        Assert.Equal(44 + 12, bytes.Length);
        Assert.Equal("RIFF"u8, bytes.AsSpan(0, 4));
        Assert.Equal(bytes.Length - 8, BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(4)));
        Assert.Equal(48_000, BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(24)));
        Assert.Equal(12, BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(40)));
        Assert.Equal(-6, BinaryPrimitives.ReadInt16LittleEndian(bytes.AsSpan(54)));
    }

    [Fact]
    public void WaveFile_InNoFolder_SaysWhich()
    {
        StrataException error = Assert.Throws<StrataException>(() => new WaveFile("/no/such/folder/a.wav", NullLogger.Instance));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains("/no/such/folder/a.wav", error.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();
}
