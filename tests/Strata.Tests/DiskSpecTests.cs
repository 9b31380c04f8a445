using Strata.Disks.Images;
using Strata.Disks.Throttling;

namespace Strata.Tests;

/// <summary>What `--disk` understands.</summary>
public sealed class DiskSpecTests
{
    [Fact]
    public void Parse_PathAlone_HasNoOptions() => Assert.Equal(new DiskSpec { Path = "/a/b.qcow2" }, DiskSpec.Parse("/a/b.qcow2"));

    [Fact]
    public void Parse_EveryOption_IsUnderstood() =>
        Assert.Equal(
            new DiskSpec
            {
                Path = "a.img",
                Format = "raw",
                ReadOnly = true,
                Snapshot = true,
                Backing = BackingImages.Any,
                Throttle = new DiskThrottle(10 << 20, 500),
            },
            DiskSpec.Parse("a.img,format=raw,readonly,snapshot,backing=any,bps=10M,iops=500"));

    [Theory]
    [InlineData("a,,b.img,readonly", "a,b.img")]
    [InlineData("a,,,readonly", "a,")]
    [InlineData(",,,,a.img,readonly", ",,a.img")]
    public void Parse_TwoCommas_AreOneOfThePath(string text, string path) =>
        Assert.Equal(new DiskSpec { Path = path, ReadOnly = true }, DiskSpec.Parse(text));

    [Fact]
    public void Parse_CommaOfThePath_IsToldHowToWriteIt()
    {
        StrataException error = Assert.Throws<StrataException>(() => DiskSpec.Parse("di,sk.raw,format=raw"));

        Assert.Contains("\"sk.raw\"", error.Message, StringComparison.Ordinal);
        Assert.Contains("written twice (,,)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Conversion_OfAString_TakesItAsThePath() => Assert.Equal(new DiskSpec { Path = "a,readonly" }, (DiskSpec)"a,readonly");

    [Theory]
    [InlineData("a.img,")]
    [InlineData("a.img,fast")]
    [InlineData("a.img,format")]
    [InlineData("a.img,format=")]
    [InlineData("a.img,readonly=yes")]
    [InlineData("a.img,backing=some")]
    [InlineData("a.img,bps=0")]
    [InlineData("a.img,bps=fast")]
    [InlineData("a.img,iops=-1")]
    [InlineData("a.img,iops=10K")]
    public void Parse_WhatIsNoOption_IsRefusedWithTheSyntax(string text)
    {
        StrataException error = Assert.Throws<StrataException>(() => DiskSpec.Parse(text));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains("format=NAME", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0", 0L)]
    [InlineData("512", 512L)]
    [InlineData("64K", 65_536L)]
    [InlineData("10g", 10L << 30)]
    [InlineData("8388607T", 8388607L << 40)]
    public void TryParse_Size_IsInBytes(string text, long bytes)
    {
        Assert.True(ByteSize.TryParse(text, out long value));
        Assert.Equal(bytes, value);
    }

    [Theory]
    [InlineData("")]
    [InlineData("K")]
    [InlineData("-1")]
    [InlineData("1.5G")]
    [InlineData("10GB")]
    [InlineData("8388608T")]
    [InlineData("99999999999999999999")]
    public void TryParse_WhatIsNoSize_IsFalse(string text) => Assert.False(ByteSize.TryParse(text, out _));

    [Theory]
    [InlineData(0L, "0 bytes")]
    [InlineData(1023L, "1023 bytes")]
    [InlineData(1536L, "1.5 KiB")]
    [InlineData(10L << 30, "10 GiB")]
    [InlineData(5000L << 40, "5000 TiB")]
    public void Format_Bytes_UsesTheLargestUnitThatFits(long bytes, string text) => Assert.Equal(text, ByteSize.Format(bytes));

    [Theory]
    [InlineData("d.img", DiskBus.Virtio)]
    [InlineData("d.img,bus=nvme", DiskBus.Nvme)]
    [InlineData("d.img,bus=ahci,readonly", DiskBus.Ahci)]
    public void Parse_Bus_IsWhatTheGuestFindsItBy(string text, DiskBus bus) => Assert.Equal(bus, DiskSpec.Parse(text).Bus);
}
