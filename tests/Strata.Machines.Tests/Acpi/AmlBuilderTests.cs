using Strata.Machines.Acpi;

namespace Strata.Machines.Tests.Acpi;

/// <summary>ACPI specification 6.4, chapter 20 "ACPI Machine Language", and 6.4 "Resource Data Types for ACPI".</summary>
public sealed class AmlBuilderTests
{
    public static TheoryData<ulong, byte[]> Integers => new()
    {
        { 0, [0x00] }, // ZeroOp
        { 1, [0x01] }, // OneOp
        { 2, [0x0A, 2] }, // BytePrefix
        { 0xFF, [0x0A, 0xFF] },
        { 0x100, [0x0B, 0, 1] }, // WordPrefix
        { 0xFFFF, [0x0B, 0xFF, 0xFF] },
        { 0x10000, [0x0C, 0, 0, 1, 0] }, // DWordPrefix
        { 0xFFFFFFFF, [0x0C, 0xFF, 0xFF, 0xFF, 0xFF] },
        { 0x1_0000_0000, [0x0E, 0, 0, 0, 0, 1, 0, 0, 0] }, // QWordPrefix
        { ulong.MaxValue, [0x0E, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF] },
    };

    [Theory]
    [MemberData(nameof(Integers))]
    public void Integer_EachSize_IsTheShortestConstant(ulong value, byte[] expected) =>
        Assert.Equal(expected, new AmlBuilder().Integer(value).ToArray());

    [Theory]
    [InlineData("PNP0A03", new byte[] { 0x41, 0xD0, 0x0A, 0x03 })]
    [InlineData("PNP0501", new byte[] { 0x41, 0xD0, 0x05, 0x01 })]
    public void EisaId_OfPnp_IsTheCompressedId(string id, byte[] expected) =>
        Assert.Equal([0x0C, .. expected], new AmlBuilder().EisaId(id).ToArray());

    [Theory]
    [InlineData(58, new byte[] { 0x3F })] // with itself and the name 63 bytes: the last length of one byte
    [InlineData(59, new byte[] { 0x41, 0x04 })]
    [InlineData(4089, new byte[] { 0x4F, 0xFF })] // 4,095 bytes: the last of two
    [InlineData(4090, new byte[] { 0x81, 0x00, 0x01 })]
    [InlineData(1_048_568, new byte[] { 0x8F, 0xFF, 0xFF })] // 1,048,575 bytes: the last of three
    [InlineData(1_048_569, new byte[] { 0xC1, 0x00, 0x00, 0x01 })]
    public void Scope_OfEachSize_HasThePackageLengthThatCountsItself(int bodySize, byte[] length)
    {
        byte[] scope = new AmlBuilder().Scope("_SB_", body => Repeat(body, bodySize)).ToArray();

        Assert.Equal([0x10, .. length, .. "_SB_"u8], scope.AsSpan(0, 1 + length.Length + 4).ToArray());
        Assert.Equal(1 + length.Length + 4 + bodySize, scope.Length);
    }

    [Fact]
    public void Package_OfTwo_CountsItsElements() =>
        Assert.Equal([0x12, 0x05, 2, 0x00, 0x0A, 5], new AmlBuilder().Package(e => e.Integer(0), e => e.Integer(5)).ToArray());

    [Fact]
    public void Name_OfAnInteger_IsNameOp() =>
        Assert.Equal([0x08, .. "_UID"u8, 0x01], new AmlBuilder().Name("_UID", v => v.Integer(1)).ToArray());

    [Fact]
    public void Resources_PortsAndInterrupt_AreSmallDescriptorsWithAnEndTag()
    {
        byte[] expected =
        [
            0x11, 0x10, 0x0A, 13, // BufferOp, PkgLength, size
            0x47, 0x01, 0xF8, 0x03, 0xF8, 0x03, 0x01, 0x08, // I/O port descriptor: decodes 16 bits
            0x22, 0x10, 0x00, // IRQ descriptor: IRQ 4
            0x79, 0x00, // end tag
        ];

        Assert.Equal(expected, new AmlBuilder().Resources(r => r.Io(0x3F8, 8).Irq(4)).ToArray());
    }

    [Fact]
    public void Resources_MemoryWindow_IsADwordAddressSpaceDescriptor()
    {
        byte[] actual = new AmlBuilder().MemoryRange(0xC0000000, 0xFEBFFFFF).ToArray();

        Assert.Equal(26, actual.Length);
        Assert.Equal([0x87, 0x17, 0x00, 0x00], actual[..4]); // memory range
        Assert.Equal(0x0C, actual[4]); // minimum and maximum fixed, positive decode
        Assert.Equal(
            [0u, 0xC0000000u, 0xFEBFFFFFu, 0u, 0x3EC00000u],
            Enumerable.Range(0, 5).Select(i => BitConverter.ToUInt32(actual, 6 + (i * 4))));
    }

    private static void Repeat(AmlBuilder body, int size)
    {
        for (int i = 0; i < size; i++)
        {
            body.Integer(0);
        }
    }
}
