using System.Buffers.Binary;
using System.Text;
using Strata.Machines.Boards;

namespace Strata.Machines.Firmware;

/// <summary>
/// Tables for systems that know several processors and the I/O APIC but no ACPI. Intel <i>MultiProcessor Specification</i>, version 1.4,
/// chapter 4 "MP Configuration Table". They say what the MADT and the PCI routes of the DSDT say.
/// </summary>
internal static class MpTables
{
    private const int PointerSize = 16;
    private const int HeaderSize = 44;
    private const byte Revision = 4; // of the specification: 1.4
    private const byte LocalApicVersion = 0x14;
    private const byte IoApicVersion = 0x20;
    private const byte PciBus = 0; // the number it has in PCI, as the specification wants
    private const byte IsaBus = 1; // the last one
    private const byte AllLocalApics = 0xFF;
    private const int IsaLines = 16;
    private const int CascadeLine = 2;
    private const int TimerPin = 2;

    /// <summary>Flags of an interrupt's entry: as its bus has it.</summary>
    private const ushort Conforming = 0;

    /// <summary>Flags of an interrupt's entry: active-high and level-triggered.</summary>
    private const ushort ActiveHighLevel = 0x0D;

    private enum InterruptKind : byte
    {
        Vectored = 0,
        NonMaskable = 1,
        External = 3, // from an 8259
    }

    /// <summary>The floating pointer and behind it the configuration table, to be placed at <paramref name="address"/>.</summary>
    public static byte[] Build(uint address, int processors)
    {
        List<byte[]> entries = [.. Processors(processors), Bus(PciBus, "PCI   "), Bus(IsaBus, "ISA   "), IoApic(processors)];
        entries.AddRange(IsaInterrupts(processors));
        entries.AddRange(PciInterrupts(processors));
        entries.Add(Interrupt(isLocal: true, InterruptKind.External, Conforming, IsaBus, 0, destination: 0, input: 0));
        entries.Add(Interrupt(isLocal: true, InterruptKind.NonMaskable, Conforming, IsaBus, 0, AllLocalApics, input: 1));
        return [.. Pointer(address + PointerSize), .. Table(entries)];
    }

    private static byte[] Pointer(uint table)
    {
        byte[] pointer = new byte[PointerSize];
        "_MP_"u8.CopyTo(pointer);
        BinaryPrimitives.WriteUInt32LittleEndian(pointer.AsSpan(4), table);
        pointer[8] = PointerSize / 16;
        pointer[9] = Revision;
        pointer[10] = Checksum(pointer); // the feature bytes are zero: there is a table, and no IMCR
        return pointer;
    }

    private static byte[] Table(List<byte[]> entries)
    {
        byte[] table = [.. new byte[HeaderSize], .. entries.SelectMany(entry => entry)];
        "PCMP"u8.CopyTo(table);
        BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(4), (ushort)table.Length);
        table[6] = Revision;
        Encoding.ASCII.GetBytes("STRATA  PC          ").CopyTo(table, 8); // 8 bytes of maker, 12 of product
        BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(34), (ushort)entries.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(36), (uint)PcMemoryMap.LocalApicStart);
        table[7] = Checksum(table);
        return table;
    }

    private static IEnumerable<byte[]> Processors(int count)
    {
        const byte enabled = 1;
        const byte boot = 2;
        const uint signature = 0x0000_0600; // family 6; stepping and model are CPUID's to tell
        const uint features = 1 | (1 << 9); // FPU, APIC
        for (int i = 0; i < count; i++)
        {
            byte[] entry = new byte[20];
            entry[1] = (byte)i;
            entry[2] = LocalApicVersion;
            entry[3] = (byte)(i == 0 ? enabled | boot : enabled);
            BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(4), signature);
            BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(8), features);
            yield return entry;
        }
    }

    private static byte[] Bus(byte id, string kind) => [1, id, .. Encoding.ASCII.GetBytes(kind)];

    private static byte[] IoApic(int processors)
    {
        byte[] entry = [2, PcMemoryMap.IoApicId(processors), IoApicVersion, 1, 0, 0, 0, 0];
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(4), (uint)PcMemoryMap.IoApicStart);
        return entry;
    }

    private static IEnumerable<byte[]> IsaInterrupts(int processors)
    {
        for (byte line = 0; line < IsaLines; line++)
        {
            if (line != CascadeLine)
            {
                ushort flags = line == PcMemoryMap.SciPin ? ActiveHighLevel : Conforming;
                byte pin = line == 0 ? (byte)TimerPin : line;
                yield return Interrupt(isLocal: false, InterruptKind.Vectored, flags, IsaBus, line, PcMemoryMap.IoApicId(processors), pin);
            }
        }
    }

    private static IEnumerable<byte[]> PciInterrupts(int processors)
    {
        for (int slot = 0; slot < PcMemoryMap.PciSlots; slot++)
        {
            for (int pin = 0; pin < 4; pin++)
            {
                byte input = (byte)(PcMemoryMap.PciPin + ((slot + pin) & 3));
                byte source = (byte)((slot << 2) | pin);
                yield return Interrupt(
                    isLocal: false, InterruptKind.Vectored, Conforming, PciBus, source, PcMemoryMap.IoApicId(processors), input);
            }
        }
    }

    /// <summary>An I/O interrupt assignment or a local one: they differ in their first byte only.</summary>
    private static byte[] Interrupt(bool isLocal, InterruptKind kind, ushort flags, byte bus, byte source, byte destination, byte input) =>
        [(byte)(isLocal ? 4 : 3), (byte)kind, (byte)flags, (byte)(flags >> 8), bus, source, destination, input];

    private static byte Checksum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (byte b in bytes)
        {
            sum += b;
        }

        return (byte)-sum;
    }
}
