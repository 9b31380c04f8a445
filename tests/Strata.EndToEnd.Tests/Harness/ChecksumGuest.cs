using Iced.Intel;
using Strata.X86.Paravirt;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>
/// A guest that steps a linear congruential generator for ever and checks itself: the number of steps is kept in ESI, in an x87
/// register and in every lane of XMM7, DR0 holds a constant, and the time-stamp counter must not go back. Meanwhile a one-shot
/// timer interrupts it every half millisecond and is armed again by its handler only: one lost interrupt ends the chain. The handler
/// ends the interrupt by the paravirtual flag where it may: one lost end also does. A byte on the serial port ends it after three more
/// interrupts; it prints steps, generator and interrupts as "n x i." in hexadecimal. A check that fails ends the run with its number.
/// </summary>
internal static class ChecksumGuest
{
    public const uint Multiplier = 1664525;
    public const uint Increment = 1013904223;
    public const int FailedVector = 2;
    public const int FailedX87 = 3;
    public const int FailedTime = 4;
    public const int FailedDebug = 5;

    private const uint Gdt = 0x90000;
    private const uint Idt = 0x91000;
    private const uint Scratch = 0x92000;

    /// <summary>Where it counts its interrupts, 32 bits.</summary>
    public const uint Count = 0x92020;

    private const uint LastTime = 0x92030;
    private const uint EoiFlag = 0x93000; // a page without code and data beside it
    private const uint Apic = 0xFEE00000;
    private const uint Half = 12_500; // counts of 40 ns
    private const uint Constant = 0x12345678;
    private const byte Vector = 64;

    public static byte[] Assemble() => MultibootProgram.Assemble(c =>
    {
        Label loop = c.CreateLabel();
        Label handler = c.CreateLabel();
        Label ended = c.CreateLabel();
        Label finish = c.CreateLabel();
        Label fail = c.CreateLabel();
        SetUp(c, handler);
        c.Label(ref loop);
        c.imul(edi, edi, Multiplier);
        c.add(edi, Increment);
        c.inc(esi);
        c.paddd(xmm7, xmm6);
        c.fadd(st0, st1);
        c.test(esi, 0xFF);
        c.jnz(loop);
        Check(c, fail);
        c.mov(dx, 0x3FD);
        c.@in(al, dx);
        c.test(al, 1);
        c.jz(loop);
        Finish(c, finish);
        c.Label(ref fail);
        c.mov(al, bl);
        c.@out(0xF4, al);
        c.Label(ref handler);
        c.inc(__dword_ptr[Count]);
        c.mov(__dword_ptr[Apic + 0x380], Half);
        c.btr(__dword_ptr[EoiFlag], 0);
        c.jc(ended);
        c.mov(__dword_ptr[Apic + 0xB0], 0);
        c.Label(ref ended);
        c.iretd();
    });

    /// <summary>The generator after a number of steps from one.</summary>
    public static uint After(uint steps)
    {
        (uint multiplier, uint increment, uint value) = (Multiplier, Increment, 1);
        for (; steps != 0; steps >>= 1)
        {
            value = (steps & 1) != 0 ? (value * multiplier) + increment : value;
            increment = (increment * multiplier) + increment;
            multiplier *= multiplier;
        }

        return value;
    }

    private static void SetUp(Assembler c, Label handler)
    {
        Label flat = c.CreateLabel();
        Store(c, Gdt + 8, 0x0000FFFF, 0x00CF9B00);
        Store(c, Gdt + 16, 0x0000FFFF, 0x00CF9300);
        Store(c, Gdt + 0x100, 0x17 | ((Gdt & 0xFFFF) << 16), Gdt >> 16);
        c.lgdt(__[Gdt + 0x100]);
        c.mov(esp, 0x80000);
        c.push(8);
        c.PushAddress(flat);
        c.retf();
        c.Label(ref flat);
        c.mov(ax, 0x10);
        c.mov(ds, ax);
        c.mov(es, ax);
        c.mov(ss, ax);
        c.PushAddress(handler);
        c.pop(eax);
        c.mov(ebx, eax);
        c.and(eax, 0xFFFF);
        c.or(eax, 8 << 16);
        c.mov(__dword_ptr[Idt + (Vector * 8)], eax);
        c.and(ebx, 0xFFFF0000);
        c.or(ebx, 0x8E00);
        c.mov(__dword_ptr[Idt + (Vector * 8) + 4], ebx);
        Store(c, Gdt + 0x110, 0x7FF | ((Idt & 0xFFFF) << 16), Idt >> 16);
        c.lidt(__[Gdt + 0x110]);
        c.OutByte(0x21, 0xFF);
        c.OutByte(0xA1, 0xFF);
        c.mov(eax, cr4);
        c.or(eax, 0x600);
        c.mov(cr4, eax);
        c.mov(eax, Constant);
        c.mov(dr0, eax);
        c.fninit();
        c.fld1();
        c.fldz();
        c.pcmpeqd(xmm6, xmm6);
        c.psrld(xmm6, 31);
        c.pxor(xmm7, xmm7);
        c.xor(esi, esi);
        c.mov(edi, 1);
        c.mov(__dword_ptr[Apic + 0xF0], 0x1FF);
        c.mov(__dword_ptr[Apic + 0x3E0], 0xB);
        c.mov(__dword_ptr[Apic + 0x320], Vector);
        c.mov(__dword_ptr[Apic + 0x380], Half);
        c.mov(ecx, ParavirtMsr.EndOfInterrupt);
        c.mov(eax, EoiFlag | 1);
        c.xor(edx, edx);
        c.wrmsr();
        c.sti();
    }

    private static void Check(Assembler c, Label fail)
    {
        c.mov(ebx, FailedVector);
        c.pshufd(xmm5, xmm7, 0x1B);
        c.movd(eax, xmm5);
        c.cmp(eax, esi);
        c.jne(fail);
        c.mov(ebx, FailedX87);
        c.fld(st0);
        c.fistp(__qword_ptr[Scratch]);
        c.cmp(__dword_ptr[Scratch], esi);
        c.jne(fail);
        c.mov(ebx, FailedDebug);
        c.mov(eax, dr0);
        c.cmp(eax, Constant);
        c.jne(fail);
        c.mov(ebx, FailedTime);
        c.rdtsc();
        c.mov(ecx, eax);
        c.mov(ebp, edx);
        c.sub(ecx, __dword_ptr[LastTime]);
        c.sbb(ebp, __dword_ptr[LastTime + 4]);
        c.jc(fail);
        c.mov(__dword_ptr[LastTime], eax);
        c.mov(__dword_ptr[LastTime + 4], edx);
    }

    private static void Finish(Assembler c, Label finish)
    {
        c.mov(ebx, __dword_ptr[Count]);
        c.add(ebx, 3);
        c.Label(ref finish);
        c.sti();
        c.hlt();
        c.cmp(__dword_ptr[Count], ebx);
        c.jb(finish);
        c.cli();
        PrintHex(c, esi);
        c.Print(' ');
        PrintHex(c, edi);
        c.Print(' ');
        c.mov(esi, __dword_ptr[Count]);
        PrintHex(c, esi);
        c.Print('.');
        c.OutByte(0xF4, 0);
    }

    /// <summary>Pushes the address of a jump to a label: code that does not know where it is needs no more.</summary>
    private static void PushAddress(this Assembler c, Label target)
    {
        Label behind = c.CreateLabel();
        c.call(behind);
        c.jmp(target);
        c.Label(ref behind);
    }

    private static void PrintHex(Assembler c, AssemblerRegister32 value)
    {
        Label digit = c.CreateLabel();
        Label isDecimal = c.CreateLabel();
        c.mov(ecx, 8);
        c.mov(dx, 0x3F8);
        c.Label(ref digit);
        c.rol(value, 4);
        c.mov(eax, value);
        c.and(eax, 15);
        c.add(al, (byte)'0');
        c.cmp(al, (byte)'9');
        c.jbe(isDecimal);
        c.add(al, 'A' - '9' - 1);
        c.Label(ref isDecimal);
        c.@out(dx, al);
        c.dec(ecx);
        c.jnz(digit);
    }

    private static void Store(Assembler c, uint address, uint low, uint high)
    {
        c.mov(__dword_ptr[address], low);
        c.mov(__dword_ptr[address + 4], high);
    }
}
