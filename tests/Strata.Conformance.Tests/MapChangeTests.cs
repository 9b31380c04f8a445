using Strata.Core.Bus;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Translator;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Conformance.Tests;

/// <summary>Guests that run while the memory map changes, on the interpreter and the translator.</summary>
public sealed unsafe class MapChangeTests : IDisposable
{
    private const ulong Page = 0x1000;
    private const ulong Accessed = 0x20;
    private const ulong Dirty = 0x40;
    private const ulong Here = SystemMachine.Data;

    /// <summary>Where a program that is replaced lies, and the window that replaces it.</summary>
    private const ulong Routine = 0x1_8000;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly List<IDisposable> _things = [];

    public void Dispose() => _things.ForEach(thing => thing.Dispose());

    public static TheoryData<bool> Engines => [false, true];

    [Theory]
    [MemberData(nameof(Engines))]
    public void Map_RomOverAPageThatIsRead_IsSeenByARunningGuest(bool translated)
    {
        SystemMachine machine = Create(translated);
        GuestMemory rom = Keep(new GuestMemory(Page));
        rom.Slice(0, 8).Fill(0x11);
        machine.Place(SystemMachine.Code, a =>
        {
            Iced.Intel.Label loop = a.CreateLabel();
            a.Label(ref loop);
            a.inc(__qword_ptr[rbx + (int)Page]);
            a.cmp(__byte_ptr[rbx], 0x11);
            a.jne(loop);
        });
        Thread guest = RunInBackground(machine);
        while (!HasStarted(machine))
        {
            Thread.Yield();
        }

        machine.Cpu.Memory.Change([], [MemoryRegion.Rom(Here, rom, 0, Page)]).Wait();

        bool ended = guest.Join(Patience);
        machine.Engine.Kick(); // a guest that never sees it must not outlive its machine
        guest.Join();
        Assert.True(ended);
        Assert.Equal(VcpuStop.Halted, machine.Stop);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void Map_ByTheGuestItself_ShowsInItsNextInstruction(bool translated)
    {
        SystemMachine machine = Create(translated);
        GuestMemory rom = Keep(new GuestMemory(Page));
        rom.Slice(0, 8).Fill(0x22);
        Switch flip = new(machine.Cpu.Memory, MemoryRegion.Rom(Here, rom, 0, Page));
        machine.Cpu.Ports.Map(0x80, 1, flip);
        *machine.At(Here) = 0x33;

        machine.Start(a =>
        {
            a.movzx(esi, __byte_ptr[rbx]);
            a.@out(0x80, al); // the window opens
            a.movzx(edi, __byte_ptr[rbx]);
            a.mov(__byte_ptr[rbx], 0x44); // ignored
            a.movzx(r8d, __byte_ptr[rbx]);
            a.@out(0x80, al); // and closes
            a.movzx(r9d, __byte_ptr[rbx]);
        });

        machine.AssertNoEvent();
        Assert.Equal(
            (0x33UL, 0x22UL, 0x22UL, 0x33UL),
            (machine.State.Gprs[Gpr.Rsi], machine.State.Gprs[Gpr.Rdi], machine.State.Gprs[8], machine.State.Gprs[9]));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void Map_OverTheCodeThatRuns_ExecutesWhatShowsThere(bool translated)
    {
        SystemMachine machine = Create(translated);
        GuestMemory rom = Keep(new GuestMemory(Page));
        Switch flip = new(machine.Cpu.Memory, MemoryRegion.Rom(Routine, rom, 0, Page));
        machine.Cpu.Ports.Map(0x80, 1, flip);
        byte[] before = [0xB8, 1, 0, 0, 0, 0xE6, 0x80, 0xFF, 0xC3, 0xC3]; // MOV EAX,1; OUT 80h,AL; INC EBX; RET
        byte[] after = [0xB8, 2, 0, 0, 0, 0x90, 0x90, 0xFF, 0xC5, 0xC3]; // MOV EAX,2; NOP; NOP; INC EBP; RET
        before.CopyTo(machine.Memory.Slice(Routine, before.Length));
        after.CopyTo(rom.Slice(0, after.Length));
        machine.State.Gprs[Gpr.Rbx] = machine.State.Gprs[Gpr.Rbp] = 0;

        machine.Start(a =>
        {
            a.mov(rdx, Routine);
            a.call(rdx); // OUT maps the ROM: what follows it is the ROM's
            a.mov(esi, eax);
            a.call(rdx);
        });

        machine.AssertNoEvent();
        Assert.Equal(
            (1UL, 2UL, 0UL, 2UL),
            (machine.State.Gprs[Gpr.Rsi], machine.State.Gprs[Gpr.Rax], machine.State.Gprs[Gpr.Rbx], machine.State.Gprs[Gpr.Rbp]));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void Store_ToRomOfADevice_ReachesTheDevice(bool translated)
    {
        SystemMachine machine = Create(translated);
        GuestMemory rom = Keep(new GuestMemory(Page));
        Flash flash = new();
        machine.Cpu.Memory.Map(MemoryRegion.Rom(Here, rom, 0, Page, writes: flash));

        machine.Start(a =>
        {
            a.mov(rax, __qword_ptr[rbx + 8]);
            a.mov(__byte_ptr[rbx + 8], 0x90);
            a.mov(__dword_ptr[rbx + 16], 0x1234);
        });

        machine.AssertNoEvent();
        Assert.Equal([(8UL, 0x90UL), (16UL, 0x1234UL)], flash.Writes);
    }

    [Fact]
    public void Load_WithAHoleAndRomBelowOneMebibyte_IsStillWalkedByEmittedCode()
    {
        SystemMachine machine = Create(translated: true);
        GuestMemory rom = Keep(new GuestMemory(16 * Page));
        machine.Cpu.Memory.Map(MemoryRegion.Hole(0xA_0000, 0x2_0000));
        machine.Cpu.Memory.Map(MemoryRegion.Rom(0xF_0000, rom, 0, 16 * Page));
        const int pages = 16;
        ulong[] starts = [Here, 0xC_0000, 0x10_0000]; // below the hole, above it, beyond the ROM

        machine.Start(a =>
        {
            foreach (ulong start in starts)
            {
                Iced.Intel.Label loop = a.CreateLabel();
                a.mov(rbx, start);
                a.mov(ecx, pages);
                a.Label(ref loop);
                a.add(rax, __qword_ptr[rbx]);
                a.mov(__qword_ptr[rbx + 8], rcx);
                a.add(rbx, (int)Page);
                a.dec(ecx);
                a.jnz(loop);
            }
        });

        machine.AssertNoEvent();
        int accesses = starts.Length * pages * 2;
        Assert.InRange(((Translator)machine.Engine).Counters.Walks, accesses - starts.Length, accesses);
        Assert.True(machine.Memory.IsDirty(0xC_0000 / Page));
        Assert.False(machine.Memory.IsDirty(0xB_0000 / Page));
    }

    [Fact]
    public void Load_FromTheHole_IsLeftToTheBus()
    {
        SystemMachine machine = Create(translated: true);
        machine.Cpu.Memory.Map(MemoryRegion.Hole(0xA_0000, 0x2_0000));
        machine.State.Gprs[Gpr.Rbx] = 0xB_8000;

        machine.Start(a =>
        {
            a.mov(__qword_ptr[rbx], rax);
            a.mov(rax, __qword_ptr[rbx]);
        });

        Assert.Equal(ulong.MaxValue, machine.State.Gprs[Gpr.Rax]);
        Assert.Equal(0UL, machine.Quad(0xB_8000));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void Map_AndUnmapWhileAGuestComputes_LosesNoneOfItsStores(bool translated)
    {
        const int pages = 8;
        SystemMachine machine = Create(translated);
        uint rounds = Rounds(translated);
        Place(machine, pages, rounds);
        Thread guest = RunInBackground(machine);
        AddressSpace space = machine.Cpu.Memory;
        int changes = 0;
        while (guest.IsAlive)
        {
            // The same bytes through another region, and a hole elsewhere: the guest must not notice.
            MemoryRegion over = MemoryRegion.Ram(
                Here + (2 * Page), machine.Memory, Here + (2 * Page), 3 * Page, MemoryRegion.OverlayPriority);
            MemoryRegion hole = MemoryRegion.Hole(0xA_0000, 0x2_0000);
            space.Change([], [over, hole]).Wait();
            space.Change([over, hole], []);
            changes++;
        }

        Assert.True(guest.Join(Patience));
        Assert.True(changes > 1);
        for (ulong page = 0; page < pages; page++)
        {
            Assert.Equal((ulong)rounds, machine.Quad(Here + (page * Page)));
        }
    }

    /// <summary>Enough to do for a second or so.</summary>
    internal static uint Rounds(bool translated) => translated ? 10_000_000u : 300_000u;

    /// <summary>Adds one to the first word of each page, again and again.</summary>
    internal static void Place(SystemMachine machine, int pages, uint rounds) => machine.Place(SystemMachine.Code, a =>
    {
        Iced.Intel.Label outer = a.CreateLabel();
        Iced.Intel.Label inner = a.CreateLabel();
        a.mov(edx, rounds);
        a.Label(ref outer);
        a.mov(rbx, Here);
        a.mov(ecx, pages);
        a.Label(ref inner);
        a.inc(__qword_ptr[rbx]);
        a.add(rbx, (int)Page);
        a.dec(ecx);
        a.jnz(inner);
        a.dec(edx);
        a.jnz(outer);
    });

    internal static Thread RunInBackground(SystemMachine machine, bool isStarted = false)
    {
        Thread thread = new(() =>
        {
            if (isStarted)
            {
                machine.GoOnToEnd();
            }
            else
            {
                machine.RunToEnd();
            }
        })
        {
            IsBackground = true,
        };
        thread.Start();
        return thread;
    }

    internal static bool HasStarted(SystemMachine machine) => Volatile.Read(ref machine.Quad(Here + Page)) != 0;

    private T Keep<T>(T thing)
        where T : IDisposable
    {
        _things.Add(thing);
        return thing;
    }

    /// <summary>All tables and pages have been used: their bits are set.</summary>
    private SystemMachine Create(bool translated)
    {
        SystemMachine machine = Keep(CreateUsed(translated));
        return machine;
    }

    internal static SystemMachine CreateUsed(bool translated)
    {
        SystemMachine machine = new(
            GuestMode.Long, createEngine: wiring =>
                translated ? new Translator(wiring, new TranslatorOptions()) : new X86.Interpreter.Interpreter(wiring));
        for (int level = 0; level < 3; level++)
        {
            machine.Quad(SystemMachine.Tables + ((ulong)level * Page)) |= Accessed;
        }

        for (ulong va = 0; va < 0x20_0000; va += Page)
        {
            machine.ChangePte(va, Accessed | Dirty, 0);
        }

        return machine;
    }

    /// <summary>A port that maps a region and takes it away again in turn.</summary>
    private sealed class Switch(AddressSpace space, MemoryRegion region) : IPortDevice
    {
        private bool _isMapped;

        public uint ReadPort(ushort offset, AccessWidth width) => 0;

        public void WritePort(ushort offset, AccessWidth width, uint value)
        {
            _isMapped = !_isMapped;
            _ = _isMapped ? space.Change([], [region]) : space.Unmap(region);
        }
    }

    private sealed class Flash : IMmioDevice
    {
        public List<(ulong Offset, ulong Value)> Writes { get; } = [];

        public ulong ReadMmio(ulong offset, AccessWidth width) => 0;

        public void WriteMmio(ulong offset, AccessWidth width, ulong value) => Writes.Add((offset, value));
    }
}
