using Strata.Core.Bus;
using Strata.Machines.Tests.Acpi;

namespace Strata.Machines.Tests.Firmware;

/// <summary>IBM PC/AT Technical Reference, "System BIOS": what programs read in low memory.</summary>
public sealed class BiosAreaTests
{
    [Fact]
    public void DataArea_Sizes_AreThoseOfMemoryBelowTheExtendedArea()
    {
        using AcpiBoard board = new();

        Assert.Equal(0x9FC0, Word(board, 0x40E)); // segment of the extended BIOS data area
        Assert.Equal(639, Word(board, 0x413)); // KiB
        Assert.Equal(1, board.Bytes(0x9FC00, 1)[0]); // KiB of the extended area
    }

    [Fact]
    public void DataArea_FirstSerialPort_IsWhereItIs()
    {
        using AcpiBoard board = new();

        Assert.Equal((0x3F8, 0), (Word(board, 0x400), Word(board, 0x402)));
        Assert.Equal(1, (Word(board, 0x410) >> 9) & 7); // equipment: serial ports
    }

    [Fact]
    public void Vectors_All_LeadIntoTheBiosArea()
    {
        using AcpiBoard board = new();

        Assert.All(Enumerable.Range(0, 256), vector =>
        {
            uint address = ((uint)Word(board, (vector * 4) + 2) << 4) + Word(board, vector * 4);
            Assert.InRange(address, 0xF0000u, 0xFFFFFu);
            Assert.NotEqual(0, board.Bytes(address, 1)[0]); // code, not emptiness
        });
    }

    private static ushort Word(AcpiBoard board, int address) => (ushort)board.Board.Memory.Read((ulong)address, AccessWidth.Word);
}
