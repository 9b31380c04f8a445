using Strata.Core.State;

namespace Strata.Core.Tests.State;

public sealed class StateReaderTests
{
    [Fact]
    public void Read_WhatWasWritten_IsTheSame()
    {
        StateWriter writer = new();
        writer.Write((byte)0xFE);
        writer.Write(-5);
        writer.Write(ulong.MaxValue);
        writer.Write(long.MinValue);
        writer.Write(UInt128.MaxValue - 1);
        writer.Write(true);
        writer.WriteText("Ω");
        writer.WriteArray<ushort>([1, 0xFFFF]);
        writer.WriteBytes([1, 2, 3]);
        writer.WriteFixed([9]);
        StateReader reader = new(writer.ToArray(), "unit");
        byte[] rest = new byte[1];

        Assert.Equal(0xFE, reader.Read<byte>("a"));
        Assert.Equal(-5, reader.Read<int>("b"));
        Assert.Equal(ulong.MaxValue, reader.Read<ulong>("c"));
        Assert.Equal(long.MinValue, reader.Read<long>("d"));
        Assert.Equal(UInt128.MaxValue - 1, reader.Read<UInt128>("e"));
        Assert.True(reader.ReadBoolean("f"));
        Assert.Equal("Ω", reader.ReadText("g", 2));
        Assert.Equal([1, 0xFFFF], reader.ReadArray<ushort>("h", 2));
        Assert.Equal([1, 2, 3], reader.ReadBytes("i", 3));
        reader.ReadFixed("j", rest);
        Assert.Equal([9], rest);
        Assert.Equal(0, reader.Remaining);
    }

    [Fact]
    public void ReadBits_BitThatDoesNotExist_IsRefused()
    {
        StateReader reader = new(new byte[] { 0x83 }, "unit");

        StateException error = Assert.Throws<StateException>(() => reader.ReadBits<byte>("mask", 0x7F));

        Assert.Contains("mask is 0x83", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ReadExactly_FewerElements_IsRefused()
    {
        StateWriter writer = new();
        writer.WriteArray<byte>([1, 2]);

        Assert.Throws<StateException>(() => new StateReader(writer.ToArray(), "unit").ReadExactly<byte>("pins", 3));
        Assert.Equal([1, 2], new StateReader(writer.ToArray(), "unit").ReadExactly<byte>("pins", 2));
    }

    [Fact]
    public void Read_CutOff_NamesUnitAndField()
    {
        StateReader reader = new(new byte[3], "uart0");

        StateException error = Assert.Throws<StateException>(() => reader.Read<int>("divisor"));

        Assert.Contains("uart0", error.Message, StringComparison.Ordinal);
        Assert.Contains("divisor", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(0)]
    public void Read_OutOfRange_IsRefused(byte value)
    {
        StateReader reader = new(new[] { value }, "unit");

        Assert.Throws<StateException>(() => reader.Read<byte>("mode", 1, 3));
    }

    [Fact]
    public void ReadArray_CountBeyondTheBytes_IsRefusedBeforeMemoryIsTaken()
    {
        StateWriter writer = new();
        writer.Write(int.MaxValue);
        StateReader reader = new(writer.ToArray(), "unit");

        Assert.Throws<StateException>(() => reader.ReadArray<ulong>("values", int.MaxValue));
    }

    [Fact]
    public void ReadText_NoUtf8_IsRefused()
    {
        StateWriter writer = new();
        writer.WriteBytes([0xC3]);
        StateReader reader = new(writer.ToArray(), "unit");

        Assert.Throws<StateException>(() => reader.ReadText("name", 10));
    }

    [Fact]
    public void ReadBoolean_Two_IsRefused()
    {
        StateReader reader = new(new byte[] { 2 }, "unit");

        Assert.Throws<StateException>(() => reader.ReadBoolean("on"));
    }
}
