using Iced.Intel;
using Strata.Core.Bus;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.Core.Time;
using Strata.X86.Execution;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Direct.Tests;

/// <summary>
/// A processor in 64-bit mode whose user program runs under a kernel of a few instructions: every exception and every system call leads to
/// a handler of its own, which halts, unless the program's kernel is given.
/// </summary>
internal sealed unsafe class UserGuest : IDisposable
{
    public const ulong Code = 0x40_0000;
    public const ulong Data = 0x50_0000; // writable, four pages
    public const ulong ReadOnly = 0x60_0000; // of the same RAM as the first page of data
    public const ulong Absent = 0x70_0000;
    public const ulong Kernel = 0xFFFF_8000_0000_0000;
    public const ulong Entry = Kernel + 0x8000; // of SYSCALL

    /// <summary>The page-table entry of a user page below 2 MiB + its base, in the kernel's window on RAM.</summary>
    public static ulong EntryOf(ulong va) => Kernel + UserTables + (((va - 0x40_0000) >> 12) * 8);

    public const int CodeOffset = 0x40000;
    public const int DataOffset = 0x50000;
    private const ulong MemorySize = 4 << 20;
    private const ulong Tables = 0x1000;
    private const ulong UserTables = 0x10000; // 4 MiB from 0x400000: two tables
    private const ulong Idt = 0x5000;
    private const ulong Gdt = 0x6000;
    private const ulong Tss = 0x7000;
    private const ulong Handlers = 0x9000; // 16 bytes a vector
    private const ulong KernelStack = 0x20000;
    private const ulong Present = 1;
    private const ulong Writable = 2;
    private const ulong User = 4;
    private const ulong NoExecute = 1UL << 63;

    private readonly X86Cpu _cpu;
    private readonly IX86Engine _engine;

    /// <param name="create">Makes the engine.</param>
    public UserGuest(Func<X86Cpu, GuestMemory, IX86Engine> create)
    {
        Ram = GuestMemory.CreateShared(MemorySize);
        AddressSpace space = new();
        space.MapRam(0, Ram, 0, MemorySize);
        BuildTables();
        BuildKernel();
        _cpu = new X86Cpu(new X86CpuWiring { Index = 0, Memory = space, Ports = new PortSpace(), Clock = new ManualClock() });
        _engine = create(_cpu, Ram);
    }

    public GuestMemory Ram { get; }

    public IX86Engine Engine => _engine;

    /// <summary>Puts code at an address of RAM, assembled for a linear one.</summary>
    public void Write(int offset, ulong address, Action<Assembler> program)
    {
        Assembler assembler = new(64);
        program(assembler);
        MemoryStream bytes = new();
        assembler.Assemble(new StreamCodeWriter(bytes), address);
        bytes.ToArray().CopyTo(Ram.Slice((ulong)offset, (int)bytes.Length));
    }

    /// <summary>Runs the program from its first instruction until the kernel halts.</summary>
    public X86CpuState Run(Action<Assembler> program)
    {
        Write(CodeOffset, Code, program);
        _cpu.SetState(Start());
        return GoOn();
    }

    public X86CpuState GoOn()
    {
        VcpuStop stop = VcpuStop.BudgetSpent;
        for (int i = 0; i < 10_000 && stop == VcpuStop.BudgetSpent; i++)
        {
            stop = _engine.Run(100_000);
        }

        Assert.Equal(VcpuStop.Halted, stop);
        _cpu.GetState(out X86CpuState state);
        return state;
    }

    public void Dispose()
    {
        _engine.Dispose();
        _cpu.Dispose();
        Ram.Dispose();
    }

    private void BuildTables()
    {
        Quad(Tables, (Tables + 0x1000) | Present | Writable | User); // user: first 512 GiB
        Quad(Tables + (256 * 8), (Tables + 0x2000) | Present | Writable); // kernel
        Quad(Tables + 0x1000, (Tables + 0x3000) | Present | Writable | User);
        Quad(Tables + 0x2000, 0x80 | Present | Writable | 0); // 1 GiB, one to one
        Quad(Tables + 0x3000 + (2 * 8), UserTables | Present | Writable | User);
        Quad(Tables + 0x3000 + (3 * 8), (UserTables + 0x1000) | Present | Writable | User);
        Map(Code, CodeOffset, Present | User);
        for (ulong i = 0; i < 4; i++)
        {
            Map(Data + (i << 12), DataOffset + (i << 12), Present | Writable | User | NoExecute);
        }

        Map(ReadOnly, DataOffset, Present | User | NoExecute);
    }

    public void Map(ulong va, ulong offset, ulong bits) => Quad(EntryOf(va) - Kernel, offset | bits);

    private void BuildKernel()
    {
        ulong[] gdt = [0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF, 0, 0x00CFFB000000FFFF, 0x00CFF3000000FFFF, 0x00AFFB000000FFFF];
        for (int i = 0; i < gdt.Length; i++)
        {
            Quad(Gdt + ((ulong)i * 8), gdt[i]);
        }

        Quad(Tss + 4, Kernel + KernelStack);
        for (ulong vector = 0; vector < 256; vector++)
        {
            ulong handler = Kernel + Handlers + (vector * 16);
            ulong dpl = vector is 3 or 0x80 ? 3UL : 0;
            Quad(Idt + (vector * 16), (handler & 0xFFFF) | (0x08UL << 16) | ((0x8E00 | (dpl << 13)) << 32)
                | ((handler >> 16 & 0xFFFF) << 48));
            Quad(Idt + (vector * 16) + 8, handler >> 32);
            Ram.Slice(Handlers + (vector * 16), 1)[0] = 0xF4; // HLT
        }

        Ram.Slice(Entry - Kernel, 1)[0] = 0xF4;
    }

    private void Quad(ulong offset, ulong value) => BitConverter.TryWriteBytes(Ram.Slice(offset, 8), value);

    private static X86CpuState Start()
    {
        X86CpuState s = X86CpuState.AtReset();
        s.Cr0 = Cr0.PE | Cr0.PG | Cr0.ET | Cr0.NE | Cr0.WP | Cr0.MP | Cr0.AM;
        s.Cr3 = Tables;
        s.Cr4 = Cr4.PAE | Cr4.OSFXSR | Cr4.OSXMMEXCPT | Cr4.FSGSBASE | Cr4.PGE | Cr4.OSXSAVE;
        s.EferMsr = Efer.LME | Efer.LMA | Efer.SCE | Efer.NXE;
        s.Xcr0 = 3;
        s.Star = (0x23UL << 48) | (0x08UL << 32);
        s.Lstar = Entry;
        s.Sfmask = RFlags.IF | RFlags.TF;
        s.Gdtr.Base = Kernel + Gdt;
        s.Gdtr.Limit = (7 * 8) - 1;
        s.Idtr.Base = Kernel + Idt;
        s.Idtr.Limit = 0xFFF;
        s.Tr = new SegmentState { Base = Kernel + Tss, Limit = 0x67, Attributes = SegmentState.Present | 11, Selector = 0x38 };
        X86Cpu.FindSysretSegments(s.Star, to64Bit: true, out s.Cs, out s.Ss);
        s.Ds = s.Es = s.Fs = s.Gs = new SegmentState { Attributes = SegmentState.Unusable };
        s.Rflags = RFlags.Reserved1 | RFlags.IF;
        s.Rip = Code;
        s.Fcw = 0x37F;
        s.Ftw = 0xFFFF;
        for (int i = 0; i < 16; i++)
        {
            s.Gprs[i] = 0x0123_4567_89AB_CDEF * (ulong)(i + 1);
        }

        s.Gprs[Gpr.Rsp] = Data + 0x3000;
        return s;
    }
}
