using System.Text;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>A disk with a boot sector, which a BIOS loads to 7C00h and enters in real mode.</summary>
internal static class BootSector
{
    /// <summary>Bytes of the disk: a megabyte, so that it has a geometry.</summary>
    public const int DiskSize = 1 << 20;

    private const int SectorSize = 512;
    private const ushort Start = 0x7C00;

    /// <summary>
    /// Prints a greeting, waits for a key and prints it, copies itself to the disk's second sector, and ends the run by the debug-exit port
    /// with code 3.
    /// </summary>
    public static byte[] CreateDisk() => CreateDisk(c =>
    {
        Print(c, "The boot sector runs.\r\nkey: ");
        c.mov(ah, 0);
        c.@int(0x16); // wait for a key: the character in AL
        c.mov(ah, 0x0E);
        c.@int(0x10);
        c.mov(ax, 0x0301); // write one sector
        c.mov(bx, Start);
        c.mov(cx, 0x0002); // cylinder 0, sector 2
        c.mov(dx, 0x0080); // head 0, first disk
        c.@int(0x13);
        c.mov(al, 1);
        c.@out(0xF4, al);
    });

    /// <param name="program">At 7C00h, with all segments 0 and a stack below it.</param>
    public static byte[] CreateDisk(Action<Assembler> program)
    {
        Assembler c = new(16);
        c.xor(ax, ax);
        c.mov(ds, ax);
        c.mov(es, ax);
        c.mov(ss, ax);
        c.mov(sp, Start);
        program(c);
        c.hlt();
        using MemoryStream code = new();
        c.Assemble(new StreamCodeWriter(code), Start);
        Assert.InRange(code.Length, 1, SectorSize - 2);
        byte[] disk = new byte[DiskSize];
        code.ToArray().CopyTo(disk, 0);
        (disk[SectorSize - 2], disk[SectorSize - 1]) = (0x55, 0xAA);
        return disk;
    }

    /// <summary>Prints by the BIOS's teletype service.</summary>
    public static void Print(Assembler c, string text)
    {
        foreach (byte character in Encoding.ASCII.GetBytes(text))
        {
            c.mov(ax, (ushort)(0x0E00 | character));
            c.@int(0x10);
        }
    }
}
