using Iced.Intel;
using Strata.EndToEnd.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Tests.Verification;

/// <summary>
/// Multiboot programs that enter 64-bit mode with the first 4 MiB mapped one to one and end the machine by its debug-exit port.
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

    private const int Unmapped = 0x400000;
    private const int DescriptorTable = 0x310000;
    private const int PageFault = 14;

    /// <summary>Computes and stores in a loop.</summary>
    public static byte[] Create() => Create(Loop);

    /// <summary>Takes page faults right behind shifts, which leave AF undefined: the frame holds it.</summary>
    public static byte[] CreateFaulting() => Create(Fault);

    private static byte[] Create(Action<Assembler> body) => MultibootProgram.Assemble(c =>
    {
        Label start = c.CreateLabel();
        c.mov(esp, 0x7000);
        c.call(start); // pushes the address of what follows
        c.dq(0, 0x00AF_9B00_0000_FFFF);
        c.db(Body(body));
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

    private static byte[] Body(Action<Assembler> body)
    {
        Assembler c = new(64);
        body(c);
        c.@out(DebugExit, al);
        using MemoryStream stream = new();
        c.Assemble(new StreamCodeWriter(stream), 0);
        return stream.ToArray();
    }

    private static void Loop(Assembler c)
    {
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
    }

    private static void Fault(Assembler c)
    {
        Label main = c.CreateLabel();
        Label handler = c.CreateLabel();
        Label loop = c.CreateLabel();
        c.jmp(main);

        c.Label(ref handler); // maps the page, and goes back
        c.mov(__dword_ptr[Tables + 0x2010], Unmapped | 0x83);
        c.add(rsp, 8);
        c.iretq();

        c.Label(ref main);
        c.xor(eax, eax);
        c.mov(ss, eax); // IRET loads it again
        c.mov(ebx, DescriptorTable);
        c.lea(rax, __[handler]);
        c.mov(__word_ptr[rbx + (PageFault * 16)], ax);
        c.mov(__dword_ptr[rbx + (PageFault * 16) + 2], 0x8E00_0000 | CodeSelector);
        c.shr(eax, 16);
        c.mov(__word_ptr[rbx + (PageFault * 16) + 6], ax);
        c.mov(__qword_ptr[rbx + (PageFault * 16) + 8], 0);
        c.push(rbx);
        c.push(0);
        c.mov(__word_ptr[rsp + 6], 0xFFF); // the limit right below the base
        c.lidt(__[rsp + 6]);
        c.mov(ecx, Rounds);
        c.Label(ref loop);
        c.mov(__dword_ptr[Tables + 0x2010], 0);
        c.invlpg(__[Unmapped]);
        c.mov(edx, ecx);
        c.shr(edx, 1);
        c.lea(rsi, __[rdx + 8]);
        c.cmp(r8b, __[rsi + Unmapped]);
        c.dec(ecx);
        c.jne(loop);
    }
}
