#!/usr/bin/env dotnet
#:project ../src/control/Strata/Strata.csproj
#:package Iced
#:property RunAnalyzers=false
#:property GenerateDocumentationFile=false
#:property RestorePackagesWithLockFile=false

// What BIOS and DOS programs do, beside QEMU TCG: a sieve in real mode and in 16-bit protected mode, string copies, text by INT 10h,
// scrolling the text window, filling mode 13h, the planes of mode 12h and a linear framebuffer. One boot sector does all of it under
// SeaBIOS and measures each part by the ACPI timer; the two are started in turn, and medians of the rounds are compared.
//
// usage: dotnet run -c Release benchmarks/pc.cs [ROUNDS] [--image FILE]   (the latter only writes the disk)
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Iced.Intel;
using Strata;
using static Iced.Intel.AssemblerRegisters;

string[] names =
[
    "sieve, real mode", "string copies, real mode", "byte loop, real mode", "text by INT 10h", "scrolling the text window",
    "fill of mode 13h", "planes of mode 12h", "sieve, 16-bit protected mode", "fill of a linear framebuffer",
];
string disk = Path.Combine(Path.GetTempPath(), $"strata-pc-{Environment.ProcessId}.img");
if (args is [.., "--image", var file])
{
    File.WriteAllBytes(file, BootDisk.Create());
    return;
}

int rounds = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 5;
File.WriteAllBytes(disk, BootDisk.Create());
List<double[]> ours = [], theirs = [];
try
{
    for (int round = 0; round < rounds; round++)
    {
        theirs.Add(await RunQemuAsync(disk));
        ours.Add(await RunStrataAsync(disk));
    }
}
finally
{
    File.Delete(disk);
}

Console.WriteLine($"| part | Strata ms | QEMU TCG ms | times faster |\n|---|---|---|---|");
for (int i = 0; i < names.Length; i++)
{
    double mine = Median(ours.Select(run => run[i])), its = Median(theirs.Select(run => run[i]));
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {names[i]} | {mine:F1} | {its:F1} | {its / mine:F1} |"));
}

async Task<double[]> RunStrataAsync(string path)
{
    MachineSpec spec = MachineSpec.StartingFrom(path) with { Memory = 64UL << 20, Networks = [], Engine = Engine.Translator };
    await using VirtualMachine machine = await VirtualMachine.StartAsync(spec);
    await machine.WaitForExitAsync(new CancellationTokenSource(TimeSpan.FromMinutes(5)).Token);
    return Parse(machine.Console.Output);
}

async Task<double[]> RunQemuAsync(string path)
{
    string port = Path.Combine(Path.GetTempPath(), $"strata-pc-{Environment.ProcessId}.sercon"); // as Strata tells the firmware
    File.WriteAllBytes(port, [0xF8, 0x03]);
    using Process qemu = Process.Start(new ProcessStartInfo("qemu-system-x86_64",
    [
        "-accel", "tcg", "-machine", "pc", "-m", "64", "-display", "none", "-vga", "std", "-serial", "stdio", "-net", "none",
        "-fw_cfg", $"name=etc/sercon-port,file={port}",
        "-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-drive", $"file={path},format=raw,if=ide,snapshot=on",
    ]) { RedirectStandardOutput = true, RedirectStandardInput = true })!;
    string text = await qemu.StandardOutput.ReadToEndAsync();
    await qemu.WaitForExitAsync();
    File.Delete(port);
    return Parse(text);
}

double[] Parse(string text)
{
    double[] found = new double[names.Length];
    foreach (Match match in Regex.Matches(text, "@([A-Z])([0-9A-F]{8})"))
    {
        const double ticksPerMillisecond = 3579.545;
        found[match.Groups[1].Value[0] - 'A'] = Convert.ToUInt32(match.Groups[2].Value, 16) / ticksPerMillisecond;
    }

    return found.Contains(0) ? throw new InvalidOperationException($"A part has not been measured. The console says:\n{text}") : found;
}

static double Median(IEnumerable<double> values)
{
    double[] sorted = [.. values.Order()];
    return sorted[sorted.Length / 2];
}

/// <summary>The program.</summary>
static class BootDisk
{
    private const ushort Load = 0x7E00;
    private const int Sectors = 16;
    private const ushort TimerPort = 0x608;
    private const ushort SerialPort = 0x3F8;
    private const ushort SieveSegment = 0x2000;
    private const int SieveSize = 8191;
    private const int Table = 0x7A10;

    public static byte[] Create()
    {
        byte[] disk = new byte[1 << 20];
        Assemble(0x7C00, a =>
        {
            a.xor(ax, ax);
            a.mov(ds, ax);
            a.mov(es, ax);
            a.mov(ss, ax);
            a.mov(sp, 0x7C00);
            a.mov(ax, 0x0200 | Sectors);
            a.mov(bx, Load);
            a.mov(cx, 0x0002);
            a.xor(dh, dh);
            a.@int(0x13);
            a.db([0xEA, 0x00, 0x7E, 0x00, 0x00]); // jmp 0:7E00h
        }).CopyTo(disk, 0);
        (disk[510], disk[511]) = (0x55, 0xAA);
        byte[] program = Assemble(Load, Program);
        if (program.Length > Sectors * 512)
        {
            throw new InvalidOperationException("The program has more sectors than are loaded.");
        }

        program.CopyTo(disk, 512);
        return disk;
    }

    private static byte[] Assemble(ulong at, Action<Assembler> emit)
    {
        Assembler a = new(16);
        emit(a);
        using MemoryStream code = new();
        a.Assemble(new StreamCodeWriter(code), at);
        return code.ToArray();
    }

    private static void Program(Assembler a)
    {
        Label report = a.CreateLabel(), digit = a.CreateLabel(), low = a.CreateLabel(), sieve = a.CreateLabel(), start = a.CreateLabel();
        a.jmp(start);
        EmitReport(a, ref report, ref digit, ref low);
        EmitSieve(a, ref sieve);
        a.Label(ref start);
        a.cli();

        Part(a, 'A', report, () =>
        {
            a.mov(ax, SieveSegment);
            a.mov(es, ax);
            a.mov(bp, 400);
            a.call(sieve);
        });
        Part(a, 'B', report, () => Repeat(a, 4000, () =>
        {
            a.mov(ax, 0x3000);
            a.mov(ds, ax);
            a.mov(ax, 0x4001);
            a.mov(es, ax);
            a.xor(si, si);
            a.mov(di, 8);
            a.mov(cx, 0x1000);
            a.cld();
            a.rep.movsw();
        }));
        Part(a, 'C', report, () => Repeat(a, 400, () =>
        {
            Label next = a.CreateLabel(), other = a.CreateLabel();
            a.mov(ax, 0x3000);
            a.mov(ds, ax);
            a.mov(es, ax);
            a.xor(si, si);
            a.mov(di, 0x8000);
            a.mov(cx, 0x2000);
            a.Label(ref next);
            a.lodsb();
            a.cmp(al, 0x61);
            a.jb(other);
            a.sub(al, 0x20);
            a.Label(ref other);
            a.stosb();
            a.loop(next);
        }));
        Part(a, 'D', report, () => Repeat(a, 4000, () =>
        {
            a.mov(ax, 0x0E2E);
            a.mov(bx, 7);
            a.@int(0x10);
        }));
        Part(a, 'E', report, () => Repeat(a, 4000, () =>
        {
            a.mov(ax, 0xB800);
            a.mov(ds, ax);
            a.mov(es, ax);
            a.xor(di, di);
            a.mov(si, 160);
            a.mov(cx, 80 * 24);
            a.cld();
            a.rep.movsw();
            a.mov(ax, 0x0741);
            a.mov(cx, 80);
            a.rep.stosw();
        }));
        Part(a, 'F', report, () =>
        {
            SetMode(a, 0x13);
            Repeat(a, 100, () =>
            {
                a.mov(ax, 0xA000);
                a.mov(es, ax);
                a.xor(di, di);
                a.mov(cx, 32000);
                a.mov(ax, bp);
                a.mov(ah, al);
                a.cld();
                a.rep.stosw();
            });
        });
        Part(a, 'G', report, () =>
        {
            SetMode(a, 0x12);
            Repeat(a, 40, () =>
            {
                Label next = a.CreateLabel();
                a.mov(dx, 0x3CE); // write mode 2: each byte a colour, through the latches
                a.mov(ax, 0x0205);
                a.@out(dx, ax);
                a.mov(ax, 0xA000);
                a.mov(es, ax);
                a.xor(di, di);
                a.mov(cx, 38400);
                a.Label(ref next);
                a.mov(al, __byte_ptr.es[di]);
                a.mov(ax, bp);
                a.stosb();
                a.loop(next);
            });
        });
        SetMode(a, 0x03);
        EmitProtected(a, report, sieve);
        EmitFrame(a, report);
        a.mov(al, 1);
        a.@out(0xF4, al);
        a.hlt();
    }

    /// <summary>Runs a part, with DS and ES set to 0 behind it, and reports what the timer has counted.</summary>
    private static void Part(Assembler a, char name, Label report, Action body)
    {
        ReadTimer(a);
        a.push(eax);
        body();
        a.xor(ax, ax);
        a.mov(ds, ax);
        a.mov(es, ax);
        ReadTimer(a);
        a.pop(ebx);
        a.sub(eax, ebx);
        a.and(eax, 0xFFFFFF);
        a.mov(bl, (byte)name);
        a.call(report);
    }

    private static void ReadTimer(Assembler a)
    {
        a.mov(dx, TimerPort);
        a.@in(eax, dx);
    }

    private static void Repeat(Assembler a, ushort count, Action body)
    {
        Label again = a.CreateLabel();
        a.mov(bp, count);
        a.Label(ref again);
        body();
        a.dec(bp);
        a.jnz(again);
    }

    private static void SetMode(Assembler a, ushort mode)
    {
        a.mov(ax, mode);
        a.@int(0x10);
    }

    /// <summary>@, the letter in BL, the eight digits of EAX, to the serial port.</summary>
    private static void EmitReport(Assembler a, ref Label report, ref Label digit, ref Label low)
    {
        a.Label(ref report);
        a.mov(dx, SerialPort);
        a.xchg(esi, eax);
        a.mov(al, (byte)'@');
        a.@out(dx, al);
        a.mov(al, bl);
        a.@out(dx, al);
        a.mov(cx, 8);
        a.Label(ref digit);
        a.rol(esi, 4);
        a.mov(ax, si);
        a.and(al, 0xF);
        a.add(al, (byte)'0');
        a.cmp(al, (byte)'9');
        a.jbe(low);
        a.add(al, 7);
        a.Label(ref low);
        a.@out(dx, al);
        a.loop(digit);
        a.mov(al, 10);
        a.@out(dx, al);
        a.ret();
    }

    /// <summary>The sieve of BYTE: BP rounds in the segment ES.</summary>
    private static void EmitSieve(Assembler a, ref Label sieve)
    {
        Label number = a.CreateLabel(), strike = a.CreateLabel(), next = a.CreateLabel();
        a.Label(ref sieve);
        a.xor(di, di);
        a.mov(cx, SieveSize);
        a.mov(al, 1);
        a.cld();
        a.rep.stosb();
        a.xor(si, si);
        a.xor(cx, cx);
        a.Label(ref number);
        a.cmp(__byte_ptr.es[si], 0);
        a.je(next);
        a.mov(bx, si);
        a.add(bx, si);
        a.add(bx, 3);
        a.inc(cx);
        a.mov(di, si);
        a.Label(ref strike);
        a.add(di, bx);
        a.cmp(di, SieveSize);
        a.jae(next);
        a.mov(__byte_ptr.es[di], 0);
        a.jmp(strike);
        a.Label(ref next);
        a.inc(si);
        a.cmp(si, SieveSize);
        a.jb(number);
        a.dec(bp);
        a.jnz(sieve);
        a.ret();
    }

    /// <summary>To 16-bit protected mode, the sieve there, and back.</summary>
    private static void EmitProtected(Assembler a, Label report, Label sieve)
    {
        ulong[] table = [0, 0x0000_9B00_0000_FFFF, 0x0000_9300_0000_FFFF, 0x0000_9302_0000_FFFF, 0x00CF_9300_0000_FFFF];
        for (int entry = 0; entry < table.Length; entry++) // 8 code, 10h data, 18h data at 20000h, 20h data of 4 GiB
        {
            a.mov(__dword_ptr[Table + (entry * 8)], (uint)table[entry]);
            a.mov(__dword_ptr[Table + (entry * 8) + 4], (uint)(table[entry] >> 32));
        }

        a.mov(__word_ptr[0x7A00], 0x27);
        a.mov(__dword_ptr[0x7A02], (uint)Table);
        Part(a, 'H', report, () =>
        {
            a.db([0x0F, 0x01, 0x16, 0x00, 0x7A]); // lgdt [7A00h]
            a.mov(eax, cr0);
            a.or(al, 1);
            a.mov(cr0, eax);
            Far(a, 8);
            a.mov(ax, 0x10);
            a.mov(ds, ax);
            a.mov(ss, ax);
            a.mov(ax, 0x18);
            a.mov(es, ax);
            a.mov(bp, 400);
            a.call(sieve);
            a.mov(ax, 0x10);
            a.mov(es, ax);
            a.mov(eax, cr0);
            a.and(al, 0xFE);
            a.mov(cr0, eax);
            Far(a, 0);
            a.xor(ax, ax);
            a.mov(ss, ax);
        });
    }

    /// <summary>A far jump to the instruction behind it: its offset is pushed and returned to.</summary>
    private static void Far(Assembler a, ushort selector)
    {
        Label here = a.CreateLabel();
        a.db([0x6A, (byte)selector]); // push
        a.call(here);
        a.Label(ref here);
        a.pop(bx);
        a.db([0x83, 0xC3, 0x06]); // add bx, the bytes to behind the return
        a.push(bx);
        a.retf();
    }

    /// <summary>A mode of 800 by 600 of the display interface, its linear framebuffer filled by 32-bit addresses.</summary>
    private static void EmitFrame(Assembler a, Label report)
    {
        a.mov(ax, 0x4F01);
        a.mov(cx, 0x143);
        a.mov(di, 0x7000);
        a.@int(0x10);
        a.mov(ax, 0x4F02);
        a.mov(bx, 0x4143);
        a.@int(0x10);

        // ES with 4 GiB: from protected mode back to real mode, which keeps the limit.
        a.mov(eax, cr0);
        a.or(al, 1);
        a.mov(cr0, eax);
        a.mov(bx, 0x20);
        a.mov(es, bx);
        a.and(al, 0xFE);
        a.mov(cr0, eax);
        Part(a, 'I', report, () =>
        {
            a.xor(ax, ax);
            a.mov(es, ax);
            Repeat(a, 100, () =>
            {
                a.mov(edi, __dword_ptr[0x7028]);
                a.mov(ecx, 480_000);
                a.movzx(eax, bp);
                a.imul(eax, eax, 0x010305);
                a.cld();
                a.db([0x67]);
                a.rep.stosd();
            });
        });
    }
}
