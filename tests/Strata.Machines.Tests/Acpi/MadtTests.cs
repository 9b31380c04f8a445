namespace Strata.Machines.Tests.Acpi;

/// <summary>ACPI specification 6.4, 5.2.12 "Multiple APIC Description Table (MADT)".</summary>
public sealed class MadtTests
{
    private const byte LocalApic = 0;
    private const byte IoApic = 1;
    private const byte SourceOverride = 2;
    private const byte LocalApicNmi = 4;

    [Fact]
    public void Madt_Header_HasTheLocalApicAddressAndTwo8259()
    {
        using AcpiBoard board = new();

        Assert.Equal(0xFEE00000u, AcpiBoard.Field32(board.Madt, 36));
        Assert.Equal(1u, AcpiBoard.Field32(board.Madt, 40)); // PCAT_COMPAT
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(63)]
    [InlineData(64)]
    public void Madt_LocalApics_AreEnabledOnePerProcessor(int processors)
    {
        using AcpiBoard board = new(processors);

        byte[][] apics = [.. Entries(board.Madt).Where(entry => entry[0] == LocalApic)];

        Assert.Equal(Enumerable.Range(0, processors), apics.Select(entry => (int)entry[3])); // APIC ID
        Assert.Equal(processors, apics.Select(entry => entry[2]).Distinct().Count()); // processor UID
        Assert.All(apics, entry => Assert.Equal((8, 1u), (entry.Length, AcpiBoard.Field32(entry, 4)))); // enabled
    }

    [Fact]
    public void Madt_IoApic_CoversInterruptsFromZero()
    {
        using AcpiBoard board = new();

        byte[] entry = Entries(board.Madt).Single(item => item[0] == IoApic);

        Assert.Equal(12, entry.Length);
        Assert.Equal(0xFEC00000u, AcpiBoard.Field32(entry, 4));
        Assert.Equal(0u, AcpiBoard.Field32(entry, 8)); // global system interrupt base
    }

    [Fact]
    public void Madt_Timer_IsOnPin2()
    {
        using AcpiBoard board = new();

        byte[] entry = Entries(board.Madt).Single(item => item[0] == SourceOverride && item[3] == 0);

        Assert.Equal((10, (byte)0), (entry.Length, entry[2])); // ISA bus
        Assert.Equal(2u, AcpiBoard.Field32(entry, 4));
        Assert.Equal(0, AcpiBoard.Field16(entry, 8)); // conforms to ISA: edge, active high
    }

    [Fact]
    public void Madt_Sci_IsLevelTriggeredWhereTheFadtSays()
    {
        using AcpiBoard board = new();
        ushort sci = AcpiBoard.Field16(board.Fadt, 46);

        byte[] entry = Entries(board.Madt).Single(item => item[0] == SourceOverride && item[3] == sci);

        Assert.Equal(sci, AcpiBoard.Field32(entry, 4));
        Assert.Equal(0b1101, AcpiBoard.Field16(entry, 8)); // active high, level
    }

    [Fact]
    public void Madt_Nmi_IsLint1OfEveryProcessor()
    {
        using AcpiBoard board = new();

        byte[] entry = Entries(board.Madt).Single(item => item[0] == LocalApicNmi);

        Assert.Equal(6, entry.Length);
        Assert.Equal(0xFF, entry[2]);
        Assert.Equal(1, entry[5]);
    }

    [Fact]
    public void Madt_Entries_AreOfKnownKinds()
    {
        using AcpiBoard board = new(processors: 3);

        Assert.All(Entries(board.Madt), entry => Assert.Contains(entry[0], new[] { LocalApic, IoApic, SourceOverride, LocalApicNmi }));
    }

    /// <summary>The entries behind the header; they fill the table exactly.</summary>
    private static List<byte[]> Entries(byte[] madt)
    {
        List<byte[]> entries = [];
        int at = 44;
        while (at < madt.Length)
        {
            Assert.InRange(madt[at + 1], 2, madt.Length - at);
            entries.Add(madt[at..(at + madt[at + 1])]);
            at += madt[at + 1];
        }

        Assert.Equal(madt.Length, at);
        return entries;
    }
}
