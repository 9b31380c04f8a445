using Iced.Intel;
using Strata.EndToEnd.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;
using static Strata.EndToEnd.Tests.Harness.TimedProgram;

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
    private const uint Tss = 0x93000;
    private const uint UserStack = 0x70000;
    private const uint FirstSpace = 0x200000;
    private const uint SecondSpace = 0x300000;
    private const uint Identity = 0xFEF01000;
    private const int InterruptFlag = 0x202;

    public static byte[] Assemble() => MultibootProgram.Assemble(c =>
    {
        Label handler = c.CreateLabel();
        Label first = c.CreateLabel();
        Label second = c.CreateLabel();
        Label toSecond = c.CreateLabel();
        SetUpSegments(c);
        c.LoadTimerGate(handler);
        c.StartTimer();
        c.mov(eax, FirstSpace);
        c.mov(cr3, eax);
        c.mov(__byte_ptr[Identity], 1);
        c.push(0x23);
        c.push((int)UserStack);
        c.push(InterruptFlag);
        c.push(0x1B);
        c.PushAddress(first);
        c.iretd();
        c.Label(ref first);
        c.inc(__dword_ptr[FirstCount]);
        c.jmp(first);
        c.Label(ref second);
        c.inc(__dword_ptr[SecondCount]);
        c.jmp(second);
        c.Label(ref handler);
        c.inc(__dword_ptr[Ticks]);
        c.mov(__dword_ptr[Apic + 0x380], HalfMillisecond);
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
        c.PushAddress(program);
        c.pop(eax);
        c.mov(__dword_ptr[esp], eax);
        c.iretd();
    }

    private static void SetUpSegments(Assembler c)
    {
        c.LoadSegments(
            (0x0000FFFF, 0x00CFFB00), // user code
            (0x0000FFFF, 0x00CFF300), // user data
            (0x00000067 | ((Tss & 0xFFFF) << 16), 0x00008900 | (Tss >> 16)));
        c.Store(Tss + 4, KernelStack, 0x10); // ESP0, SS0
        c.mov(ax, 0x23);
        c.mov(ds, ax);
        c.mov(es, ax);
        c.mov(ax, 0x28);
        c.ltr(ax);
    }
}
