using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>
/// Boot sectors that draw in the modes of a VGA, by all that the adapter does with a byte: planes, latches, write modes, masks, set and
/// reset, rotation. When a picture stands, its program says "@done" on the serial port.
/// </summary>
internal static class VgaPictures
{
    private const ushort Sequencer = 0x3C4;
    private const ushort Graphics = 0x3CE;
    private const ushort Crtc = 0x3D4;
    private const ushort SerialPort = 0x3F8;

    /// <summary>Programs by what they show.</summary>
    public static IReadOnlyDictionary<string, Action<Assembler>> All { get; } = new Dictionary<string, Action<Assembler>>
    {
        ["text, all characters and colours"] = DrawText,
        ["256 colours, chained"] = DrawChained,
        ["256 colours, planes"] = DrawUnchained,
        ["16 colours, write modes"] = c => DrawPlanar(c, 0x12),
        ["16 colours, 320 by 200"] = c => DrawPlanar(c, 0x0D),
        ["4 colours"] = c => DrawBanks(c, 0x04),
        ["2 colours"] = c => DrawBanks(c, 0x06),
        ["display interface, banks"] = DrawInBanks,
    };

    public static byte[] CreateDisk(string picture) => BootSector.CreateDisk(c =>
    {
        All[picture](c);
        c.mov(dx, SerialPort);
        foreach (char letter in "@done\n")
        {
            c.mov(al, (byte)letter);
            c.@out(dx, al);
        }

        c.cli(); // the HLT behind it lasts
    });

    private static void SetMode(Assembler c, ushort mode)
    {
        c.mov(ax, mode);
        c.@int(0x10);
        c.cld();
    }

    /// <summary>An index and its value to a pair of ports.</summary>
    private static void Register(Assembler c, ushort port, byte index, byte value)
    {
        c.mov(dx, port);
        c.mov(ax, (ushort)((value << 8) | index));
        c.@out(dx, ax);
    }

    private static void Window(Assembler c, ushort segment)
    {
        c.mov(ax, segment);
        c.mov(es, ax);
        c.xor(di, di);
    }

    /// <summary>Without the attribute that blinks, and without B0h to BFh, whose ninth dot QEMU paints as that of lines.</summary>
    private static void DrawText(Assembler c)
    {
        SetMode(c, 3);
        c.mov(ah, 1);
        c.mov(cx, 0x2000); // no cursor
        c.@int(0x10);
        Window(c, 0xB800);
        Label next = c.CreateLabel(), plain = c.CreateLabel();
        c.mov(cx, 2000);
        c.Label(ref next);
        c.mov(ax, di);
        c.shr(ax, 1);
        c.mov(ah, al);
        c.and(ah, 0x7F);
        c.mov(bl, al);
        c.and(bl, 0xF0);
        c.cmp(bl, 0xB0);
        c.jne(plain);
        c.mov(al, 0x20);
        c.Label(ref plain);
        c.stosw();
        c.loop(next);
    }

    private static void DrawChained(Assembler c)
    {
        SetMode(c, 0x13);
        Window(c, 0xA000);
        Label next = c.CreateLabel();
        c.mov(cx, 64000);
        c.Label(ref next);
        c.mov(ax, di);
        c.xor(al, ah);
        c.stosb();
        c.loop(next);
    }

    /// <summary>Mode 13h with the chain opened, as games do: a byte to each plane, and some to several.</summary>
    private static void DrawUnchained(Assembler c)
    {
        SetMode(c, 0x13);
        Register(c, Sequencer, 4, 6);
        Register(c, Crtc, 0x14, 0);
        Register(c, Crtc, 0x17, 0xE3);
        for (byte plane = 0; plane < 5; plane++)
        {
            Register(c, Sequencer, 2, plane < 4 ? (byte)(1 << plane) : (byte)0xA);
            Window(c, 0xA000);
            Label next = c.CreateLabel();
            c.mov(cx, (ushort)(plane < 4 ? 16000 : 4000));
            c.Label(ref next);
            c.mov(ax, di);
            c.add(al, ah);
            c.add(al, (byte)(plane * 16));
            c.stosb();
            c.loop(next);
        }

        Register(c, Crtc, 0x0C, 5); // begins further down
    }

    /// <summary>Stripes of 2,000 bytes, each drawn in another way.</summary>
    private static void DrawPlanar(Assembler c, ushort mode)
    {
        SetMode(c, mode);
        Window(c, 0xA000);
        Register(c, Sequencer, 2, 0x5);
        Fill(c, 0x39); // two planes
        Register(c, Sequencer, 2, 0xF);
        Register(c, Graphics, 0, 0x6);
        Register(c, Graphics, 1, 0xC);
        Fill(c, 0x0F); // set and reset in two planes
        Register(c, Graphics, 1, 0);
        Register(c, Graphics, 3, 0x03);
        Fill(c, 0x1D); // rotated
        Register(c, Graphics, 3, 0x18);
        Mix(c, 0x5A); // XOR with the latches
        Register(c, Graphics, 3, 0x08);
        Mix(c, 0x3C); // AND
        Register(c, Graphics, 3, 0x10);
        Register(c, Graphics, 8, 0x7E);
        Mix(c, 0x81); // OR, under a bit mask
        Register(c, Graphics, 3, 0);
        Register(c, Graphics, 5, 2);
        Fill(c, 0x0B); // a colour a byte
        Register(c, Graphics, 5, 3);
        Register(c, Graphics, 0, 0x9);
        Mix(c, 0xE7); // the byte is a mask
        Register(c, Graphics, 5, 1);
        c.mov(ax, es);
        c.mov(ds, ax);
        c.xor(si, si);
        c.mov(cx, 1600);
        c.rep.movsb(); // the latches
        c.xor(ax, ax);
        c.mov(ds, ax);
    }

    private static void Fill(Assembler c, byte value)
    {
        c.mov(al, value);
        c.mov(cx, 800);
        c.rep.stosb();
    }

    /// <summary>Reads the byte from the stripes before, which fills the latches, and writes.</summary>
    private static void Mix(Assembler c, byte value)
    {
        Label next = c.CreateLabel();
        c.mov(cx, 800);
        c.Label(ref next);
        c.mov(al, __byte_ptr.es[di - 1200]);
        c.mov(al, value);
        c.stosb();
        c.loop(next);
    }

    private static void DrawBanks(Assembler c, ushort mode)
    {
        SetMode(c, mode);
        Window(c, 0xB800);
        Label next = c.CreateLabel();
        c.mov(cx, 0x4000);
        c.Label(ref next);
        c.mov(ax, di);
        c.add(al, ah);
        c.stosb();
        c.loop(next);
    }

    private static void DrawInBanks(Assembler c)
    {
        c.mov(ax, 0x4F02);
        c.mov(bx, 0x101); // 640 by 480, 256 colours
        c.@int(0x10);
        c.cld();
        for (ushort bank = 0; bank < 3; bank++)
        {
            c.mov(ax, 0x4F05);
            c.xor(bx, bx);
            c.mov(dx, bank);
            c.@int(0x10);
            Window(c, 0xA000);
            Label next = c.CreateLabel();
            c.xor(cx, cx); // 64 KiB
            c.Label(ref next);
            c.mov(ax, di);
            c.add(al, ah);
            c.add(al, (byte)(bank * 85));
            c.stosb();
            c.loop(next);
        }
    }
}
