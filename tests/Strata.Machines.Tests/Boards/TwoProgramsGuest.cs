using Iced.Intel;
using Strata.EndToEnd.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Machines.Tests.Boards;

/// <summary>
/// A kernel that lets two user programs run in turn, half a millisecond each, with a value of CR3 of their own: each counts in a word of
/// memory. It says of the first one that it makes clones machines of their own.
/// </summary>
internal static class TwoProgramsGuest
{
    /// <summary>Where the programs and the kernel's timer count, 32 bits each.</summary>
    public const uint FirstCount = 0x92020;
    public const uint SecondCount = 0x92024;
    public const uint Ticks = 0x92028;

    private const uint Next = 0x9202C;
    private const uint Gdt = 0x90000;
    private const uint Idt = 0x91000;
    private const uint Tss = 0x93000;
    private const uint KernelStack = 0x80000;
    private const uint UserStack = 0x70000;
    private const uint Apic = 0xFEE00000;
    private const uint Half = 12_500; // counts of 40 ns
    private const uint FirstSpace = 0x200000;
    private const uint SecondSpace = 0x300000;
    private const byte Vector = 64;
    private const uint Identity = 0xFEF01000;
    private const int InterruptFlag = 0x202;

    public static byte[] Assemble() => MultibootProgram.Assemble(c =>
    {
        Label handler = c.CreateLabel();
        Label first = c.CreateLabel();
        Label second = c.CreateLabel();
        Label toSecond = c.CreateLabel();
        SetUpSegments(c);
        SetUpTimer(c, handler);
        c.mov(eax, FirstSpace);
        c.mov(cr3, eax);
        c.mov(__byte_ptr[Identity], 1);
        c.push(0x23);
        c.push((int)UserStack);
        c.push(InterruptFlag);
        c.push(0x1B);
        PushAddress(c, first);
        c.iretd();
        c.Label(ref first);
        c.inc(__dword_ptr[FirstCount]);
        c.jmp(first);
        c.Label(ref second);
        c.inc(__dword_ptr[SecondCount]);
        c.jmp(second);
        c.Label(ref handler);
        c.inc(__dword_ptr[Ticks]);
        c.mov(__dword_ptr[Apic + 0x380], Half);
        c.mov(__dword_ptr[Apic + 0xB0], 0);
        c.xor(__dword_ptr[Next], 1);
        c.jnz(toSecond);
        Switch(c, FirstSpace, first);
        c.Label(ref toSecond);
        Switch(c, SecondSpace, second);
    });

    /// <summary>Goes on with a program, which keeps nothing in registers.</summary>
    private static void Switch(Assembler c, uint space, Label program)
    {
        c.mov(eax, space);
        c.mov(cr3, eax);
        PushAddress(c, program);
        c.pop(eax);
        c.mov(__dword_ptr[esp], eax);
        c.iretd();
    }

    private static void SetUpSegments(Assembler c)
    {
        Label flat = c.CreateLabel();
        Store(c, Gdt + 0x08, 0x0000FFFF, 0x00CF9B00);
        Store(c, Gdt + 0x10, 0x0000FFFF, 0x00CF9300);
        Store(c, Gdt + 0x18, 0x0000FFFF, 0x00CFFB00); // user code
        Store(c, Gdt + 0x20, 0x0000FFFF, 0x00CFF300); // user data
        Store(c, Gdt + 0x28, 0x00000067 | ((Tss & 0xFFFF) << 16), 0x00008900 | (Tss >> 16));
        Store(c, Gdt + 0x100, 0x2F | ((Gdt & 0xFFFF) << 16), Gdt >> 16);
        Store(c, Tss + 4, KernelStack, 0x10); // ESP0, SS0
        c.lgdt(__[Gdt + 0x100]);
        c.mov(esp, KernelStack);
        c.push(8);
        PushAddress(c, flat);
        c.retf();
        c.Label(ref flat);
        c.mov(ax, 0x23);
        c.mov(ds, ax);
        c.mov(es, ax);
        c.mov(ax, 0x10);
        c.mov(ss, ax);
        c.mov(ax, 0x28);
        c.ltr(ax);
    }

    private static void SetUpTimer(Assembler c, Label handler)
    {
        PushAddress(c, handler);
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
        c.mov(__dword_ptr[Apic + 0xF0], 0x1FF);
        c.mov(__dword_ptr[Apic + 0x3E0], 0xB);
        c.mov(__dword_ptr[Apic + 0x320], Vector);
        c.mov(__dword_ptr[Apic + 0x380], Half);
    }

    private static void Store(Assembler c, uint address, uint low, uint high)
    {
        c.mov(__dword_ptr[address], low);
        c.mov(__dword_ptr[address + 4], high);
    }

    /// <summary>The address of a jump to a label, onto the stack: code that does not know where it is needs no more.</summary>
    private static void PushAddress(Assembler c, Label target)
    {
        Label behind = c.CreateLabel();
        c.call(behind);
        c.jmp(target);
        c.Label(ref behind);
    }
}
