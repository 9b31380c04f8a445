using Iced.Intel;
using Strata.EndToEnd.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Tests.Verification;

/// <summary>
/// A multiboot program that enters 64-bit mode with the first 4 MiB mapped one to one, computes and stores in a loop, and ends
/// the machine by its debug-exit port.
/// </summary>
internal static class LongModeProgram
{
    public const int Rounds = 3000;

    private const uint Tables = 0x200000;
    private const int Data = 0x300000;
    private const uint EferMsr = 0xC0000080;
    private const byte DebugExit = 0xF4;
    private const int CodeSelector = 8;
    private const int DescriptorsSize = 16;

    public static byte[] Create() => MultibootProgram.Assemble(c =>
    {
        Label start = c.CreateLabel();
        c.mov(esp, 0x7000);
        c.call(start); // pushes the address of what follows
        c.dq(0, 0x00AF_9B00_0000_FFFF);
        c.db(Body());
        c.Label(ref start);
        c.pop(ebp);
        c.mov(__dword_ptr[Tables], Tables + 0x1003);
        c.mov(__dword_ptr[Tables + 0x1000], Tables + 0x2003);
        c.mov(__dword_ptr[Tables + 0x2000], 0x83);
        c.mov(__dword_ptr[Tables + 0x2008], 0x200083);
        c.mov(eax, 0x20); // PAE
        c.mov(cr4, eax);
        c.mov(eax, Tables);
        c.mov(cr3, eax);
        c.mov(ecx, EferMsr);
        c.rdmsr();
        c.or(eax, 0x100); // LME
        c.wrmsr();
        c.mov(eax, cr0);
        c.or(eax, 0x8000_0001); // PG
        c.mov(cr0, eax);
        c.push(ebp);
        c.push((DescriptorsSize - 1) << 16); // the limit right below the base
        c.lgdt(__[esp + 2]);
        c.lea(eax, __[ebp + DescriptorsSize]);
        c.push(CodeSelector);
        c.push(eax);
        c.retf();
    });

    private static byte[] Body()
    {
        Assembler c = new(64);
        Label loop = c.CreateLabel();
        c.mov(ecx, Rounds);
        c.xor(eax, eax);
        c.mov(ebx, Data);
        c.Label(ref loop);
        c.add(rax, rcx);
        c.lea(rdx, __[rax + (rcx * 8) + 5]);
        c.mov(__[rbx], rdx);
        c.xor(__[rbx + 8], rax);
        c.rol(rax, 3);
        c.dec(ecx);
        c.jne(loop);
        c.@out(DebugExit, al);
        using MemoryStream stream = new();
        c.Assemble(new StreamCodeWriter(stream), 0);
        return stream.ToArray();
    }
}
