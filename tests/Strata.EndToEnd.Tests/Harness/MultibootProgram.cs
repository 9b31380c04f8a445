using System.Buffers.Binary;
using Iced.Intel;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>
/// A 32-bit program as a multiboot image: loaded at 1 MiB, entered behind its header with flat segments and without paging.
/// Multiboot specification 0.6.96, "The layout of Multiboot header".
/// </summary>
internal static class MultibootProgram
{
    /// <summary>Guest-physical address of the program's first instruction.</summary>
    public const uint Entry = Base + HeaderSize;

    private const uint Base = 0x100000;
    private const int HeaderSize = 32;
    private const uint Magic = 0x1BADB002;
    private const uint AddressFields = 1 << 16;

    public static byte[] Assemble(Action<Assembler> program)
    {
        Assembler assembler = new(32);
        program(assembler);
        using MemoryStream code = new();
        assembler.Assemble(new StreamCodeWriter(code), Entry);
        byte[] image = new byte[HeaderSize + code.Length];
        uint end = Base + (uint)image.Length;
        ReadOnlySpan<uint> header = [Magic, AddressFields, unchecked(0 - (Magic + AddressFields)), Base, Base, end, end, Entry];
        for (int i = 0; i < header.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(i * 4), header[i]);
        }

        code.ToArray().CopyTo(image, HeaderSize);
        return image;
    }

    /// <summary>Sends a character to the first serial port.</summary>
    public static void Print(this Assembler c, char character)
    {
        c.mov(AssemblerRegisters.dx, 0x3F8);
        c.mov(AssemblerRegisters.al, (byte)character);
        c.@out(AssemblerRegisters.dx, AssemblerRegisters.al);
    }

    /// <summary>Writes a byte to a port below 0x100.</summary>
    public static void OutByte(this Assembler c, byte port, byte value)
    {
        c.mov(AssemblerRegisters.al, value);
        c.@out(port, AssemblerRegisters.al);
    }
}
