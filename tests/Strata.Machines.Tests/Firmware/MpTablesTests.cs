using System.Text;
using Strata.Core.Bus;
using Strata.Machines.Tests.Acpi;

namespace Strata.Machines.Tests.Firmware;

/// <summary>Intel MultiProcessor Specification 1.4, chapter 4 "MP Configuration Table", read as an operating system does.</summary>
public sealed class MpTablesTests
{
    private const byte Processor = 0;
    private const byte Bus = 1;
    private const byte IoApic = 2;
    private const byte IoInterrupt = 3;
    private const byte LocalInterrupt = 4;

    [Fact]
    public void Pointer_InTheBiosArea_LeadsToTheTable()
    {
        using AcpiBoard board = new();

        byte[] pointer = FindPointer(board);

        Assert.Equal(1, pointer[8]); // length in units of 16 bytes
        Assert.Equal(4, pointer[9]); // version 1.4
        Assert.Equal(0, AcpiBoard.Sum(pointer));
        Assert.Equal(new byte[5], pointer[11..16]); // feature bytes: a table is there, virtual wire mode
        Assert.Equal("PCMP", AcpiBoard.Signature(Table(board)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(64)]
    public void Table_OfAnyMachine_IsWellFormed(int processors)
    {
        using AcpiBoard board = new(processors);

        byte[] table = Table(board);
        List<byte[]> entries = Entries(table);

        Assert.Equal(0, AcpiBoard.Sum(table));
        Assert.Equal(4, table[6]); // version 1.4
        Assert.Equal("STRATA  PC          ", Encoding.ASCII.GetString(table, 8, 20));
        Assert.Equal((ushort)entries.Count, AcpiBoard.Field16(table, 34));
        Assert.Equal(0xFEE00000u, AcpiBoard.Field32(table, 36));
        Assert.Equal(entries.Select(entry => entry[0]).Order(), entries.Select(entry => entry[0])); // sorted by type
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(64)]
    public void Processors_EachEnabled_FirstIsTheBootProcessor(int processors)
    {
        using AcpiBoard board = new(processors);

        List<byte[]> entries = [.. Entries(Table(board)).Where(entry => entry[0] == Processor)];

        Assert.Equal(Enumerable.Range(0, processors), entries.Select(entry => (int)entry[1]));
        Assert.All(entries, entry => Assert.Equal(entry[1] == 0 ? 3 : 1, entry[3])); // EN, BP
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(15)]
    public void IoApic_HasAnIdOfItsOwnThatItsRegisterAndTheMadtTell(int processors)
    {
        using AcpiBoard board = new(processors);

        byte[] entry = Entries(Table(board)).Single(item => item[0] == IoApic);

        Assert.True(entry[1] >= processors, $"ID {entry[1]} is a processor's.");
        Assert.Equal(0xFEC00000u, AcpiBoard.Field32(entry, 4));
        Assert.Equal(1, entry[3]); // enabled
        board.Board.Memory.Write(0xFEC00000, AccessWidth.Dword, 0);
        Assert.Equal((uint)entry[1] << 24, (uint)board.Board.Memory.Read(0xFEC00010, AccessWidth.Dword));
        board.Board.Memory.Write(0xFEC00000, AccessWidth.Dword, 1);
        Assert.Equal(entry[2], (byte)board.Board.Memory.Read(0xFEC00010, AccessWidth.Dword)); // version
        Assert.True(board.Madt.AsSpan().IndexOf<byte>([1, 12, entry[1], 0, 0, 0, 0xC0, 0xFE]) >= 44, "The MADT has another ID.");
    }

    [Fact]
    public void IsaInterrupts_AreOnTheirOwnPins_ButTheTimerOnPin2()
    {
        using AcpiBoard board = new();
        List<byte[]> entries = Entries(Table(board));
        byte isa = entries.Single(entry => entry[0] == Bus && Encoding.ASCII.GetString(entry, 2, 6) == "ISA   ")[1];

        Dictionary<int, (int Pin, ushort Flags)> lines = entries.Where(entry => entry[0] == IoInterrupt && entry[4] == isa)
            .ToDictionary(entry => (int)entry[5], entry => ((int)entry[7], AcpiBoard.Field16(entry, 2)));

        Assert.Equal(Enumerable.Range(0, 16).Where(line => line != 2), lines.Keys.Order());
        Assert.All(lines, line => Assert.Equal(line.Key == 0 ? 2 : line.Key, line.Value.Pin));
        Assert.Equal(0xD, lines[9].Flags); // ACPI's: level, active high
        Assert.Equal(0, lines[4].Flags); // as ISA has it
    }

    [Fact]
    public void PciInterrupts_AreThoseOfTheRoutes()
    {
        using AcpiBoard board = new();
        List<byte[]> entries = Entries(Table(board));
        Assert.Equal("PCI   ", Encoding.ASCII.GetString(entries.Single(entry => entry[0] == Bus && entry[1] == 0), 2, 6)); // PCI's number

        List<byte[]> routes = [.. entries.Where(entry => entry[0] == IoInterrupt && entry[4] == 0)];

        Assert.Equal(32 * 4, routes.Count);
        Assert.All(routes, route => Assert.Equal(16 + (((route[5] >> 2) + (route[5] & 3)) & 3), route[7]));
    }

    [Fact]
    public void LocalInterrupts_ArePicOnLint0AndNmiOnLint1()
    {
        using AcpiBoard board = new();

        List<(byte Kind, byte Destination, byte Input)> entries =
            [.. Entries(Table(board)).Where(entry => entry[0] == LocalInterrupt).Select(entry => (entry[1], entry[6], entry[7]))];

        Assert.Equal([(3, 0, 0), (1, 0xFF, 1)], entries); // ExtINT, NMI
    }

    /// <summary>Section 4.1: on a 16-byte boundary between 0F0000h and 0FFFFFh.</summary>
    private static byte[] FindPointer(AcpiBoard board)
    {
        for (ulong at = 0xF0000; at < 0x100000; at += 16)
        {
            if (board.Bytes(at, 4).AsSpan().SequenceEqual("_MP_"u8))
            {
                return board.Bytes(at, 16);
            }
        }

        throw new InvalidDataException("There is no MP floating pointer.");
    }

    private static byte[] Table(AcpiBoard board)
    {
        uint at = AcpiBoard.Field32(FindPointer(board), 4);
        return board.Bytes(at, AcpiBoard.Field16(board.Bytes(at, 8), 4));
    }

    private static List<byte[]> Entries(byte[] table)
    {
        List<byte[]> entries = [];
        for (int at = 44; at < table.Length;)
        {
            int size = table[at] == Processor ? 20 : 8;
            entries.Add(table[at..(at + size)]);
            at += size;
        }

        return entries;
    }
}
