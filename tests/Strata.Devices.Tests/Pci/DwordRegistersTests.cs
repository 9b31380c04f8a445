using Strata.Core.Bus;
using Strata.Devices.Pci;
using Xunit;

namespace Strata.Devices.Tests.Pci;

public sealed class DwordRegistersTests
{
    private readonly Four _registers = new();

    [Theory]
    [InlineData(0, AccessWidth.Dword, 0x03020100)]
    [InlineData(4, AccessWidth.Qword, 0x0B0A090807060504)]
    [InlineData(6, AccessWidth.Word, 0x0706)]
    [InlineData(7, AccessWidth.Byte, 0x07)]
    public void Read_OfAWidth_GivesThePart(ulong offset, AccessWidth width, ulong expected) =>
        Assert.Equal(expected, DwordRegisters.Read(_registers, offset, width));

    [Fact]
    public void Write_OfAQuadword_WritesTheLowerHalfFirst()
    {
        DwordRegisters.Write(_registers, 4, AccessWidth.Qword, 0x2222_2222_1111_1111);

        Assert.Equal([(4, 0x1111_1111u), (8, 0x2222_2222u)], _registers.Writes);
    }

    [Theory]
    [InlineData(4, AccessWidth.Byte)]
    [InlineData(4, AccessWidth.Word)]
    [InlineData(6, AccessWidth.Dword)]
    [InlineData(5, AccessWidth.Qword)]
    public void Write_OfAPart_IsIgnored(ulong offset, AccessWidth width)
    {
        DwordRegisters.Write(_registers, offset, width, ulong.MaxValue);

        Assert.Empty(_registers.Writes);
    }

    /// <summary>Every byte reads as its offset.</summary>
    private sealed class Four : IDwordRegisters
    {
        public List<(int Offset, uint Value)> Writes { get; } = [];

        public uint ReadRegister(int offset) => 0x03020100u + (uint)(offset * 0x01010101);

        public void WriteRegister(int offset, uint value) => Writes.Add((offset, value));
    }
}
