using System.Buffers.Binary;
using System.Text;
using Strata.Devices.Power;
using Strata.Devices.Timers;
using Strata.Machines.Boards;

namespace Strata.Machines.Acpi;

/// <summary>
/// The ACPI tables of the pc board: RSDP, XSDT, FADT, FACS, MADT and DSDT. ACPI specification 6.4, "ACPI Software Programming Model".
/// </summary>
internal static class AcpiTables
{
    /// <summary>Bytes in front of the first table; the RSDP has 36 of them.</summary>
    public const int RsdpRoom = 64;

    private const int HeaderSize = 36;
    private static readonly byte[] OemId = Encoding.ASCII.GetBytes("STRATA");
    private static readonly byte[] OemTable = Encoding.ASCII.GetBytes("STRATAPC");

    /// <summary>Builds the tables as one image to be placed at <paramref name="address"/>; the RSDP comes first.</summary>
    /// <param name="board">What the tables describe beside the processors.</param>
    /// <param name="places">Receives where tables lie in the image, and where the pointers to them: for whoever moves it. May be
    /// null.</param>
    public static byte[] Build(ulong address, int processors, AcpiDescription? board = null, AcpiPlaces? places = null)
    {
        board ??= AcpiDescription.WithoutFirmware;
        List<byte> image = [.. new byte[RsdpRoom]];
        ulong facs = Add(image, address, Facs());
        ulong dsdt = Add(image, address, Table("DSDT", 2, Dsdt(board)), places);
        ulong fadt = Add(image, address, Table("FACP", 6, Fadt(board, dsdt, facs)), places);
        ulong madt = Add(image, address, Table("APIC", 5, Madt(processors)), places);
        List<ulong> tables = [fadt, madt];
        if (board.HasHpet)
        {
            tables.Add(Add(image, address, Table("HPET", 1, HpetTable()), places));
        }

        byte[] pointers = new byte[tables.Count * 8];
        byte[] narrow = new byte[tables.Count * 4];
        foreach ((int index, ulong table) in tables.Index())
        {
            BinaryPrimitives.WriteUInt64LittleEndian(pointers.AsSpan(index * 8), table);
            BinaryPrimitives.WriteUInt32LittleEndian(narrow.AsSpan(index * 4), (uint)table);
        }

        ulong xsdt = Add(image, address, Table("XSDT", 1, pointers), places);
        ulong rsdt = Add(image, address, Table("RSDT", 1, narrow), places);
        byte[] result = [.. image];
        WriteRsdp(result, rsdt, xsdt);
        places?.AddPointers(fadt - address, (36, 4), (40, 4), (132, 8), (140, 8));
        foreach (int index in Enumerable.Range(0, tables.Count))
        {
            places?.AddPointers(xsdt - address, (HeaderSize + (index * 8), 8));
            places?.AddPointers(rsdt - address, (HeaderSize + (index * 4), 4));
        }

        return result;
    }

    private static ulong Add(List<byte> image, ulong address, byte[] table, AcpiPlaces? places = null)
    {
        while (image.Count % 64 != 0)
        {
            image.Add(0);
        }

        ulong at = address + (ulong)image.Count;
        places?.AddTable(image.Count, table.Length);
        image.AddRange(table);
        return at;
    }

    private static void WriteRsdp(Span<byte> image, ulong rsdt, ulong xsdt)
    {
        "RSD PTR "u8.CopyTo(image);
        OemId.CopyTo(image[9..]);
        image[15] = 2;
        BinaryPrimitives.WriteUInt32LittleEndian(image[16..], (uint)rsdt);
        BinaryPrimitives.WriteUInt32LittleEndian(image[20..], 36);
        BinaryPrimitives.WriteUInt64LittleEndian(image[24..], xsdt);
        image[8] = Checksum(image[..20]);
        image[32] = Checksum(image[..36]);
    }

    private static byte[] Table(string signature, byte revision, ReadOnlySpan<byte> body)
    {
        byte[] table = new byte[HeaderSize + body.Length];
        Encoding.ASCII.GetBytes(signature).CopyTo(table, 0);
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(4), (uint)table.Length);
        table[8] = revision;
        OemId.CopyTo(table, 10);
        OemTable.CopyTo(table, 16);
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(24), 1);
        "STRA"u8.CopyTo(table.AsSpan(28));
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(32), 1);
        body.CopyTo(table.AsSpan(HeaderSize));
        table[9] = Checksum(table);
        return table;
    }

    private static byte Checksum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (byte b in bytes)
        {
            sum += b;
        }

        return (byte)-sum;
    }

    private static byte[] Facs()
    {
        byte[] table = new byte[64];
        "FACS"u8.CopyTo(table);
        table[4] = 64;
        table[32] = 2;
        return table;
    }

    /// <summary>Offsets are those of the table, header included.</summary>
    private static byte[] Fadt(AcpiDescription board, ulong dsdt, ulong facs)
    {
        const uint wbinvd = 1 << 0;
        const uint c1 = 1 << 2;
        const uint sleepButtonAbsent = 1 << 5;
        const uint timer32 = 1 << 8;
        const uint resetSupported = 1 << 10;
        byte[] table = new byte[276];
        Span<byte> t = table;
        BinaryPrimitives.WriteUInt32LittleEndian(t[36..], (uint)facs);
        BinaryPrimitives.WriteUInt32LittleEndian(t[40..], (uint)dsdt);
        BinaryPrimitives.WriteUInt16LittleEndian(t[46..], PcMemoryMap.SciPin);
        BinaryPrimitives.WriteUInt32LittleEndian(t[56..], board.PowerPort);
        BinaryPrimitives.WriteUInt32LittleEndian(t[64..], (uint)board.PowerPort + 4);
        BinaryPrimitives.WriteUInt32LittleEndian(t[76..], (uint)board.PowerPort + 8);
        t[88] = 4; // PM1 event length
        t[89] = 2; // PM1 control length
        t[91] = 4; // PM timer length
        BinaryPrimitives.WriteUInt32LittleEndian(t[80..], PcMemoryMap.AcpiEventsPort);
        t[92] = GeneralPurposeEvents.PortCount;
        BinaryPrimitives.WriteUInt16LittleEndian(t[96..], 0x0FFF); // no C2
        BinaryPrimitives.WriteUInt16LittleEndian(t[98..], 0x0FFF); // no C3
        t[108] = 0x32; // century byte of the RTC
        BinaryPrimitives.WriteUInt16LittleEndian(t[109..], 0x0003); // legacy devices, 8042
        BinaryPrimitives.WriteUInt32LittleEndian(t[112..], wbinvd | c1 | sleepButtonAbsent | timer32 | resetSupported);
        WriteAddress(t[116..], PcMemoryMap.ResetPort, 8);
        t[128] = 6; // value that resets
        t[131] = 5; // minor version
        BinaryPrimitives.WriteUInt64LittleEndian(t[132..], facs);
        BinaryPrimitives.WriteUInt64LittleEndian(t[140..], dsdt);
        WriteAddress(t[148..], board.PowerPort, 32);
        WriteAddress(t[172..], (uint)board.PowerPort + 4, 16);
        WriteAddress(t[208..], (uint)board.PowerPort + 8, 32);
        WriteAddress(t[220..], PcMemoryMap.AcpiEventsPort, 32);
        return table[HeaderSize..];
    }

    /// <summary>A generic address structure in I/O space.</summary>
    private static void WriteAddress(Span<byte> at, ulong port, byte bits)
    {
        at[0] = 1;
        at[1] = bits;
        at[3] = bits switch { 8 => 1, 16 => 2, _ => 3 };
        BinaryPrimitives.WriteUInt64LittleEndian(at[4..], port);
    }

    /// <summary>IA-PC HPET Specification 1.0a, "The ACPI 2.0 HPET Description Table".</summary>
    private static byte[] HpetTable()
    {
        const ushort leastTicks = 0x80; // of a periodic timer that loses none
        byte[] table = new byte[20];
        BinaryPrimitives.WriteUInt32LittleEndian(table, Hpet.BlockId);
        table[5] = 64; // a memory space's register of so many bits
        BinaryPrimitives.WriteUInt64LittleEndian(table.AsSpan(8), PcMemoryMap.HpetStart);
        BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(17), leastTicks);
        return table;
    }

    private static byte[] Madt(int processors)
    {
        List<byte> body = [];
        Append32(body, (uint)PcMemoryMap.LocalApicStart);
        Append32(body, 1); // a PC with 8259s
        for (int i = 0; i < processors; i++)
        {
            body.AddRange([0, 8, (byte)i, (byte)i]);
            Append32(body, 1);
        }

        body.AddRange([1, 12, PcMemoryMap.IoApicId(processors), 0]);
        Append32(body, (uint)PcMemoryMap.IoApicStart);
        Append32(body, 0);
        body.AddRange([2, 10, 0, 0, 2, 0, 0, 0, 0, 0]); // IRQ 0 is pin 2, conforming
        body.AddRange([2, 10, 0, PcMemoryMap.SciPin, PcMemoryMap.SciPin, 0, 0, 0, 0x0D, 0]); // level, active-high
        body.AddRange([4, 6, 0xFF, 0, 0, 1]); // NMI on LINT1
        return [.. body];
    }

    private static void Append32(List<byte> bytes, uint value) =>
        bytes.AddRange([(byte)value, (byte)(value >> 8), (byte)(value >> 16), (byte)(value >> 24)]);

    private static byte[] Dsdt(AcpiDescription board)
    {
        AmlBuilder aml = new();
        if (board.CanSleep)
        {
            AddSleep(aml, "_S3_", AcpiPower.SleepTypeS3);
            AddSleep(aml, "_S4_", AcpiPower.SleepTypeS4);
        }

        AddSleep(aml, "_S5_", AcpiPower.SleepTypeS5);
        aml.Scope("_SB_", sb => sb.Device("PCI0", pci =>
        {
            pci.Name("_HID", v => v.EisaId("PNP0A03"));
            pci.Name("_UID", v => v.Integer(0));
            pci.Name("_BBN", v => v.Integer(0));
            pci.Name("_CRS", v => v.Resources(r => r
                .BusRange(0, 255)
                .Io(0xCF8, 8)
                .IoRange(0, 0x0CF7)
                .IoRange(0x0D00, 0xFFFF)
                .MemoryRange((uint)PcMemoryMap.VgaStart, 0x000BFFFF)
                .MemoryRange(board.PciWindowStart, PcMemoryMap.PciWindowEnd)
                .WideMemoryRange(PcMemoryMap.PciWideWindowStart, PcMemoryMap.PciWideWindowEnd)));
            pci.Name("_PRT", v => v.Package([.. PciRoutes()]));
            pci.Device("COM1", d => Legacy(d, "PNP0501", r => r.Io(PcMemoryMap.SerialPort, 8).Irq(PcMemoryMap.SerialPin)));
            pci.Device("RTC_", d => Legacy(d, "PNP0B00", r => r.Io(0x70, 2).Irq(PcMemoryMap.RtcPin)));
            pci.Device("KBD_", d => Legacy(d, "PNP0303", r => r.Io(0x60, 1).Io(0x64, 1).Irq(PcMemoryMap.KeyboardPin)));
            if (board.HasMouse)
            {
                pci.Device("MOU_", d => Legacy(d, "PNP0F13", r => r.Irq(PcMemoryMap.MousePin)));
            }
        }));
        AddGenerationId(aml);
        return aml.ToArray();
    }

    private static void AddSleep(AmlBuilder aml, string name, int type) => aml.Name(
        name, v => v.Package(e => e.Integer((ulong)type), e => e.Integer((ulong)type), e => e.Integer(0), e => e.Integer(0)));

    /// <summary>
    /// Microsoft, <i>Virtual Machine Generation ID</i>: a device with a compatible ID, the address in two halves, and a notification.
    /// </summary>
    private static void AddGenerationId(AmlBuilder aml)
    {
        const string name = "VGEN";
        const ulong changed = 0x80;
        aml.Scope("_SB_", sb => sb.Device(name, device =>
        {
            device.Name("_HID", v => v.Text("STRA0001"));
            device.Name("_CID", v => v.Text("VM_Gen_Counter"));
            device.Name("_DDN", v => v.Text("VM_Gen_Counter"));
            device.Name("_STA", v => v.Integer(0xF));
            device.Name("ADDR", v => v.Package(
                e => e.Integer(PcMemoryMap.GenerationIdStart & uint.MaxValue), e => e.Integer(PcMemoryMap.GenerationIdStart >> 32)));
        }));
        aml.Scope("_GPE", events => events.Method($"_E{PcMemoryMap.GenerationEvent:X2}", method => method.Notify("_SB_", name, changed)));
    }

    private static void Legacy(AmlBuilder device, string id, Action<AmlBuilder> resources)
    {
        device.Name("_HID", v => v.EisaId(id));
        device.Name("_UID", v => v.Integer(1));
        device.Name("_STA", v => v.Integer(0xF));
        device.Name("_CRS", v => v.Resources(resources));
    }

    /// <summary>Slot s, pin p reaches I/O APIC pin 16 + (s + p) mod 4.</summary>
    private static IEnumerable<Action<AmlBuilder>> PciRoutes()
    {
        for (uint slot = 0; slot < PcMemoryMap.PciSlots; slot++)
        {
            for (uint pin = 0; pin < 4; pin++)
            {
                ulong address = (slot << 16) | 0xFFFF;
                ulong line = PcMemoryMap.PciPin + ((slot + pin) & 3);
                uint p = pin;
                yield return e => e.Package(x => x.Integer(address), x => x.Integer(p), x => x.Integer(0), x => x.Integer(line));
            }
        }
    }
}
