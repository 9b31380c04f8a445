using System.Buffers.Binary;
using System.Numerics;
using Strata.Core.Memory;
using Strata.Machines.Boot;

namespace Strata.Machines.Firmware;

/// <summary>
/// A card's ROM with programs for firmware: images behind each other, for a BIOS, for UEFI or for both (*PCI Firmware Specification* 3.0,
/// section 5.1).
/// <code>
/// 00 55 AA   02 units of 512 bytes (BIOS)   18 place of the data structure (16)
/// data structure: 00 "PCIR"   04 vendor (16)   06 device (16)   10 units of 512 bytes (16)   14 kind: 0 BIOS, 3 UEFI   15 bit 7: the last
/// </code>
/// </summary>
internal static class OptionRom
{
    private const int Unit = 512;
    private const int StructurePlace = 0x18;
    private const int StructureSize = 0x18;
    private const int SmallestImage = StructurePlace + 2;
    private const int SpareByte = 6; // of the BIOS's header: what evens the sum out
    private const int Vendor = 4, Device = 6, Length = 0x10, Kind = 0x14, Indicator = 0x15;
    private const byte KindBios = 0, LastImage = 0x80;

    /// <summary>The ROM in memory of its own, with a card's numbers: firmware ignores the program of another card.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="vendor">The card's.</param>
    /// <param name="device">The card's.</param>
    /// <returns>A power of two of bytes; the caller disposes it.</returns>
    /// <exception cref="BootImageException">It is no ROM.</exception>
    public static GuestMemory Create(ReadOnlySpan<byte> bytes, ushort vendor, ushort device)
    {
        byte[] rom = bytes.ToArray();
        bool isLast = false;
        for (int at = 0; !isLast;)
        {
            at += Adapt(rom.AsSpan(at), vendor, device, out isLast);
        }

        GuestMemory memory = new(BitOperations.RoundUpToPowerOf2(Math.Max((ulong)rom.Length, GuestMemory.PageSize)));
        rom.CopyTo(memory.Slice(0, rom.Length));
        return memory;
    }

    /// <returns>Bytes of the first image.</returns>
    private static int Adapt(Span<byte> rom, ushort vendor, ushort device, out bool isLast)
    {
        int structureAt = rom.Length >= SmallestImage && rom is [0x55, 0xAA, ..]
            ? BinaryPrimitives.ReadUInt16LittleEndian(rom[StructurePlace..])
            : int.MaxValue;
        if (structureAt > rom.Length - StructureSize || !rom.Slice(structureAt, 4).SequenceEqual("PCIR"u8))
        {
            throw Refuse();
        }

        Span<byte> structure = rom[structureAt..];
        int size = BinaryPrimitives.ReadUInt16LittleEndian(structure[Length..]) * Unit;
        isLast = (structure[Indicator] & LastImage) != 0;
        if (size == 0 || size > rom.Length)
        {
            throw Refuse();
        }

        Span<byte> numbers = structure.Slice(Vendor, 4);
        byte before = Sum(numbers);
        BinaryPrimitives.WriteUInt16LittleEndian(numbers, vendor);
        BinaryPrimitives.WriteUInt16LittleEndian(structure[Device..], device);
        if (structure[Kind] == KindBios)
        {
            rom[SpareByte] += (byte)(before - Sum(numbers));
        }

        return size;
    }

    private static byte Sum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (byte value in bytes)
        {
            sum += value;
        }

        return sum;
    }

    private static BootImageException Refuse() =>
        new("The file for a network card's ROM is none; install the package ipxe-qemu anew, or leave out the start from the network.");
}
