using Strata.Core.Bus;
using Strata.Machines.Boards;
using Strata.Machines.Tests.Boards;

namespace Strata.Machines.Tests.Acpi;

/// <summary>ACPI specification 6.4, chapter 5.2: tables as an operating system finds and checks them.</summary>
public sealed class AcpiTablesTests
{
    [Fact]
    public void Rsdp_Revision2_HasBothChecksums()
    {
        using AcpiBoard board = new();

        Assert.Equal(2, board.Rsdp[15]); // Revision
        Assert.Equal(36u, AcpiBoard.Field32(board.Rsdp, 20)); // Length
        Assert.Equal(0, AcpiBoard.Sum(board.Rsdp.AsSpan(0, 20))); // Checksum
        Assert.Equal(0, AcpiBoard.Sum(board.Rsdp)); // Extended Checksum
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(64)]
    public void Tables_OfEachBoard_HaveChecksumsAndLieInReservedMemory(int processors)
    {
        using AcpiBoard board = new(processors);
        ulong[] addresses = [
            AcpiBoard.Field64(board.Rsdp, 24), AcpiBoard.Field32(board.Rsdp, 16), .. AcpiBoard.Pointers(board.Xsdt, 8),
            AcpiBoard.Field64(board.Fadt, 140)];

        Assert.All(addresses, address =>
        {
            byte[] table = board.Table(address);
            Assert.Equal(0, AcpiBoard.Sum(table));
            Assert.InRange(table.Length, 36, 1 << 16);
            Assert.InRange(address, 0xE0000UL, 0x100000UL - (ulong)table.Length);
        });
    }

    [Fact]
    public void Tables_OfEachBoard_DoNotOverlap()
    {
        using AcpiBoard board = new(processors: 64);
        ulong[] addresses = [
            AcpiBoard.Field64(board.Rsdp, 24), AcpiBoard.Field32(board.Rsdp, 16), .. AcpiBoard.Pointers(board.Xsdt, 8),
            AcpiBoard.Field64(board.Fadt, 140), AcpiBoard.Field64(board.Fadt, 132)];

        (
            ulong Start,
            ulong End)[] ranges = [.. addresses.Order().Select(address => (address, address + (ulong)board.Table(address).Length))];

        Assert.All(
            ranges.Zip(ranges.Skip(1)),
            pair => Assert.True(pair.First.End <= pair.Second.Start, $"0x{pair.First.Start:x} and 0x{pair.Second.Start:x}"));
    }

    [Fact]
    public void Rsdt_AndXsdt_ListTheSameTables()
    {
        using AcpiBoard board = new();
        byte[] rsdt = board.Table(AcpiBoard.Field32(board.Rsdp, 16));

        Assert.Equal("XSDT", AcpiBoard.Signature(board.Xsdt));
        Assert.Equal("RSDT", AcpiBoard.Signature(rsdt));
        Assert.Equal(AcpiBoard.Pointers(board.Xsdt, 8), AcpiBoard.Pointers(rsdt, 4));
        Assert.Equal(["APIC", "FACP"], board.Tables.Select(AcpiBoard.Signature).Order());
    }

    [Fact]
    public void Fadt_Revision6_HasItsLengthAndFindsDsdtAndFacsByBothPointers()
    {
        using AcpiBoard board = new();
        byte[] fadt = board.Fadt;

        Assert.Equal(6, fadt[8]);
        Assert.Equal(276, fadt.Length);
        Assert.Equal(AcpiBoard.Field64(fadt, 132), AcpiBoard.Field32(fadt, 36)); // X_FIRMWARE_CTRL, FIRMWARE_CTRL
        Assert.Equal(AcpiBoard.Field64(fadt, 140), AcpiBoard.Field32(fadt, 40)); // X_DSDT, DSDT
        Assert.Equal("DSDT", AcpiBoard.Signature(board.Dsdt));
    }

    [Fact]
    public void Hpet_OnABoardWithIt_HasItsTableAndItsRegisters()
    {
        using AcpiBoard board = new(hasHpet: true);

        byte[] table = board.Tables.Single(table => AcpiBoard.Signature(table) == "HPET");

        Assert.Equal(56, table.Length);
        ulong place = AcpiBoard.Field64(table, 44);
        Assert.Equal(AcpiBoard.Field32(table, 36), (uint)board.Board.Memory.Read(place, AccessWidth.Dword)); // the block's ID
        Assert.Contains("hpet", board.Board.Units.Select(unit => unit.UnitName));
    }

    [Fact]
    public void Hpet_OnABoardWithout_IsNowhere()
    {
        using AcpiBoard board = new();

        Assert.DoesNotContain("HPET", board.Tables.Select(AcpiBoard.Signature));
        Assert.DoesNotContain("hpet", board.Board.Units.Select(unit => unit.UnitName));
    }

    [Fact]
    public void Facs_OfTheFadt_IsAlignedAndAtLeast64Bytes()
    {
        using AcpiBoard board = new();
        ulong address = AcpiBoard.Field64(board.Fadt, 132);

        byte[] facs = board.Table(address);

        Assert.Equal("FACS", AcpiBoard.Signature(facs));
        Assert.Equal(64, facs.Length);
        Assert.Equal(0UL, address % 64);
        Assert.Equal(0u, AcpiBoard.Field32(facs, 16)); // Global Lock: free
    }

    [Fact]
    public void Fadt_FixedHardware_HasTheLengthsAndExtendedAddressesOfTheSpecification()
    {
        using AcpiBoard board = new();
        byte[] fadt = board.Fadt;

        Assert.Equal(4, fadt[88]); // PM1_EVT_LEN
        Assert.Equal(2, fadt[89]); // PM1_CNT_LEN
        Assert.Equal(4, fadt[91]); // PM_TMR_LEN
        Assert.Equal(4, fadt[92]); // GPE0_BLK_LEN
        Assert.All(
            [(56, 148, 32), (64, 172, 16), (76, 208, 32), (80, 220, 32)], // PM1a_EVT_BLK, PM1a_CNT_BLK, PM_TMR_BLK, GPE0_BLK
            block =>
            {
                (int old, int extended, int bits) = block;
                Assert.Equal(1, fadt[extended]); // system I/O
                Assert.Equal(bits, fadt[extended + 1]);
                Assert.Equal(AcpiBoard.Field32(fadt, old), AcpiBoard.Field64(fadt, extended + 4));
                Assert.NotEqual(0u, AcpiBoard.Field32(fadt, old));
            });
    }

    [Fact]
    public void Fadt_Flags_DescribeAPcWithLegacyHardware()
    {
        using AcpiBoard board = new();
        byte[] fadt = board.Fadt;
        uint flags = AcpiBoard.Field32(fadt, 112);

        Assert.Equal(1u, flags & 1); // WBINVD
        Assert.Equal(1u << 2, flags & (1 << 2)); // PROC_C1
        Assert.Equal(0u, flags & (1 << 4)); // PWR_BUTTON: fixed hardware
        Assert.Equal(1u << 10, flags & (1 << 10)); // RESET_REG_SUP
        Assert.Equal(0u, flags & (1 << 20)); // HW_REDUCED_ACPI
        Assert.InRange(AcpiBoard.Field16(fadt, 96), 101, ushort.MaxValue); // P_LVL2_LAT: no C2
        Assert.InRange(AcpiBoard.Field16(fadt, 98), 1001, ushort.MaxValue); // P_LVL3_LAT: no C3
        Assert.Equal(3, AcpiBoard.Field16(fadt, 109) & 3); // IAPC_BOOT_ARCH: LEGACY_DEVICES, 8042
    }

    [Fact]
    public void Fadt_WithoutSmiCommand_HasAcpiModeAlwaysOn()
    {
        using AcpiBoard board = new();

        Assert.Equal(0u, AcpiBoard.Field32(board.Fadt, 48)); // SMI_CMD
        Assert.Equal(1u, board.ReadPort(AcpiBoard.Field32(board.Fadt, 64), AccessWidth.Word) & 1); // SCI_EN
    }

    [Fact]
    public async Task Fadt_ResetRegister_Resets()
    {
        using AcpiBoard board = new();
        byte[] fadt = board.Fadt;
        Assert.Equal(1, fadt[116]); // RESET_REG: system I/O, 8 bits, byte access
        Assert.Equal(8, fadt[117]);
        Assert.Equal(1, fadt[119]);

        board.WritePort((uint)AcpiBoard.Field64(fadt, 120), AccessWidth.Byte, fadt[128]);

        await GuestBoard.WaitUntilAsync(() => board.Board.Resets == 1);
    }

    [Fact]
    public void Dsdt_WithoutFirmware_HasNoSleepToMemory()
    {
        using AcpiBoard board = new();

        Assert.Equal(-1, board.Dsdt.AsSpan().IndexOf("_S3_"u8));
        Assert.Equal(-1, board.Dsdt.AsSpan().IndexOf("_S4_"u8));
    }

    [Fact]
    public async Task Dsdt_SleepTypeOfS5_PowersOff()
    {
        using AcpiBoard board = new();
        byte[] dsdt = board.Dsdt;
        int name = dsdt.AsSpan().IndexOf("_S5_"u8);
        Assert.True(name > 0 && dsdt[name - 1] == 0x08 && dsdt[name + 4] == 0x12, "Name (_S5, Package"); // NameOp, PackageOp
        Assert.InRange(dsdt[name + 6], 2, 4); // elements; the length before has one byte
        uint type = dsdt[name + 7] == 0x0A ? dsdt[name + 8] : dsdt[name + 7]; // BytePrefix, or ZeroOp and OneOp

        const uint sleepEnable = 1 << 13;
        board.WritePort(AcpiBoard.Field32(board.Fadt, 64), AccessWidth.Word, (type << 10) | sleepEnable);

        Assert.Equal(MachineExitReason.PowerOff, (await board.Board.Exit.WaitAsync(TimeSpan.FromSeconds(10))).Reason);
    }
}
