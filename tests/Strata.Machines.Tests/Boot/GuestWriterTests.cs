using Strata.Machines.Boot;

namespace Strata.Machines.Tests.Boot;

public sealed class GuestWriterTests : IDisposable
{
    private readonly BootBench _bench = new();

    [Fact]
    public void Write_LastBytesOfMemory_Succeeds()
    {
        new GuestWriter(_bench.Memory).Write(BootBench.Size - 3, [1, 2, 3], "image");

        Assert.Equal([1, 2, 3], _bench.Bytes(BootBench.Size - 3, 3));
    }

    [Theory]
    [InlineData(BootBench.Size - 2)]
    [InlineData(BootBench.Size)]
    [InlineData(0xFEE00000UL)]
    [InlineData(ulong.MaxValue)]
    [InlineData(ulong.MaxValue - 2)]
    public void Write_OutsideOfMemory_SaysWhatAndWhere(ulong gpa)
    {
        BootImageException error = Assert.Throws<BootImageException>(() => new GuestWriter(_bench.Memory).Write(gpa, [1, 2, 3], "image"));

        Assert.Contains("image", error.Message, StringComparison.Ordinal);
        Assert.Contains($"0x{gpa:x}", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x1000UL, BootBench.Size)]
    [InlineData(0x1000UL, 1UL << 31)]
    [InlineData(0x1000UL, 1UL << 32)]
    [InlineData(0x1000UL, ulong.MaxValue)]
    [InlineData(ulong.MaxValue, 2UL)]
    public void Clear_OutsideOfMemory_IsRefused(ulong gpa, ulong length) =>
        Assert.Throws<BootImageException>(() => new GuestWriter(_bench.Memory).Clear(gpa, length, "image"));

    [Fact]
    public void Clear_Range_ZerosExactlyIt()
    {
        _bench.Fill(0x1000, 10, 0xCC);

        new GuestWriter(_bench.Memory).Clear(0x1002, 5, "image");

        Assert.Equal([0xCC, 0xCC, 0, 0, 0, 0, 0, 0xCC, 0xCC, 0xCC], _bench.Bytes(0x1000, 10));
    }

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData(0UL)]
    [InlineData(0x2000UL)]
    public void Write_Nothing_SucceedsAnywhereAndTakesNoPlace(ulong gpa)
    {
        _bench.Fill(0x2000, 4, 0xCC);
        GuestWriter writer = new(_bench.Memory);

        writer.Write(gpa, [], "image");
        writer.Clear(gpa, 0, "image");

        Assert.Equal([0xCC, 0xCC, 0xCC, 0xCC], _bench.Bytes(0x2000, 4));
        writer.Write(0x2000, [1, 2], "another"); // which overlaps nothing
        Assert.Equal([1, 2, 0xCC, 0xCC], _bench.Bytes(0x2000, 4));
    }

    [Fact]
    public void Write64_Value_IsLittleEndian()
    {
        new GuestWriter(_bench.Memory).Write64(0x1001, 0x1122334455667788, "image");

        Assert.Equal([0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11], _bench.Bytes(0x1001, 8));
    }

    [Fact]
    public void Write_OverAnotherPart_NamesBoth()
    {
        GuestWriter writer = new(_bench.Memory);
        writer.Write(0x2000, new byte[16], "kernel");

        BootImageException error = Assert.Throws<BootImageException>(() => writer.Write(0x200F, [1], "command line"));

        Assert.Contains("kernel", error.Message, StringComparison.Ordinal);
        Assert.Contains("command line", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Write_BesideAnotherPart_Succeeds()
    {
        GuestWriter writer = new(_bench.Memory);
        writer.Write(0x2000, new byte[16], "kernel");

        writer.Write(0x2010, [1], "command line");
        writer.Clear(0x1FF0, 16, "initrd");

        Assert.Equal(1, _bench.Read8(0x2010));
    }

    public void Dispose() => _bench.Dispose();
}
