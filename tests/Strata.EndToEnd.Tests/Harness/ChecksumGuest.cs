using Iced.Intel;
using Strata.X86.Paravirt;
using static Iced.Intel.AssemblerRegisters;
using static Strata.EndToEnd.Tests.Harness.TimedProgram;

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

    private const uint Scratch = 0x92000;

    /// <summary>Where it counts its interrupts, 32 bits.</summary>
    public const uint Count = 0x92020;

    private const uint LastTime = 0x92030;
    private const uint EoiFlag = 0x93000; // a page without code and data beside it
    private const uint Constant = 0x12345678;

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
        c.mov(__dword_ptr[Apic + 0x380], HalfMillisecond);
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
        c.LoadSegments();
        c.LoadTimerGate(handler);
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
        c.StartTimer();
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
}
