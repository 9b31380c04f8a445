using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>
/// What programs need that a timer interrupts: segments, a stack, a gate, and the local APIC's timer, which counts half a millisecond
/// once. The tables lie below 92000h.
/// </summary>
internal static class TimedProgram
{
    /// <summary>Base of the local APIC's registers.</summary>
    public const uint Apic = 0xFEE00000;

    /// <summary>Counts of the timer, of 40 ns each.</summary>
    public const uint HalfMillisecond = 12_500;

    /// <summary>Where the kernel's stack ends.</summary>
    public const uint KernelStack = 0x80000;

    private const uint Gdt = 0x90000;
    private const uint Idt = 0x91000;
    private const uint Pointers = Gdt + 0x100;
    private const byte Vector = 64;

    /// <summary>Loads flat code (8) and data segments (10h), and behind them others that the program brings.</summary>
    /// <param name="others">Descriptors from 18h on: lower and upper half.</param>
    public static void LoadSegments(this Assembler c, params (uint Low, uint High)[] others)
    {
        Label flat = c.CreateLabel();
        (uint Low, uint High)[] descriptors = [(0x0000FFFF, 0x00CF9B00), (0x0000FFFF, 0x00CF9300), .. others];
        foreach ((int index, (uint low, uint high)) in descriptors.Index())
        {
            c.Store(Gdt + 8 + (uint)(index * 8), low, high);
        }

        uint limit = (uint)(descriptors.Length * 8) + 7;
        c.Store(Pointers, limit | ((Gdt & 0xFFFF) << 16), Gdt >> 16);
        c.lgdt(__[Pointers]);
        c.mov(esp, KernelStack);
        c.push(8);
        c.PushAddress(flat);
        c.retf();
        c.Label(ref flat);
        c.mov(ax, 0x10);
        c.mov(ds, ax);
        c.mov(es, ax);
        c.mov(ss, ax);
    }

    /// <summary>Has the timer's interrupts served by a handler, and no others.</summary>
    public static void LoadTimerGate(this Assembler c, Label handler)
    {
        c.PushAddress(handler);
        c.pop(eax);
        c.mov(ebx, eax);
        c.and(eax, 0xFFFF);
        c.or(eax, 8 << 16);
        c.mov(__dword_ptr[Idt + (Vector * 8)], eax);
        c.and(ebx, 0xFFFF0000);
        c.or(ebx, 0x8E00);
        c.mov(__dword_ptr[Idt + (Vector * 8) + 4], ebx);
        c.Store(Pointers + 0x10, 0x7FF | ((Idt & 0xFFFF) << 16), Idt >> 16);
        c.lidt(__[Pointers + 0x10]);
        c.OutByte(0x21, 0xFF);
        c.OutByte(0xA1, 0xFF);
    }

    /// <summary>Starts the timer for one interrupt.</summary>
    public static void StartTimer(this Assembler c)
    {
        c.mov(__dword_ptr[Apic + 0xF0], 0x1FF);
        c.mov(__dword_ptr[Apic + 0x3E0], 0xB);
        c.mov(__dword_ptr[Apic + 0x320], Vector);
        c.mov(__dword_ptr[Apic + 0x380], HalfMillisecond);
    }

    /// <summary>Stores two doublewords.</summary>
    public static void Store(this Assembler c, uint address, uint low, uint high)
    {
        c.mov(__dword_ptr[address], low);
        c.mov(__dword_ptr[address + 4], high);
    }

    /// <summary>Pushes the address of a jump to a label: code that does not know where it is needs no more.</summary>
    public static void PushAddress(this Assembler c, Label target)
    {
        Label behind = c.CreateLabel();
        c.call(behind);
        c.jmp(target);
        c.Label(ref behind);
    }
}
