using Iced.Intel;
using Strata.Core.Bus;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.X86.Paravirt;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Kvm.Tests;

/// <summary>Small guests on KVM.</summary>
public sealed class KvmEngineTests
{
    private const long Budget = 100_000_000;

    [KvmFact]
    public void Run_RealMode_ComputesAndHalts()
    {
        using KvmGuest guest = new();
        guest.Place(16, a =>
        {
            a.mov(ax, 40);
            a.add(ax, 2);
            a.mov(__word_ptr[0x6000], ax);
            a.hlt();
        });
        guest.Cpu.SetState(KvmGuest.RealMode());

        VcpuStop stop = guest.Engine.Run(Budget);

        Assert.Equal((VcpuStop.Halted, 42UL, 42UL), (stop, guest.Cpu.State.Gprs0(), guest.Quad(0x6000) & 0xFFFF));
        Assert.Equal(ActivityState.Halted, guest.Cpu.State.Activity);
    }

    [KvmFact]
    public void Run_LongMode_ComputesAndHalts()
    {
        using KvmGuest guest = new();
        guest.Place(64, a =>
        {
            Label loop = a.CreateLabel();
            a.mov(rcx, 1000);
            a.xor(eax, eax);
            a.Label(ref loop);
            a.add(rax, rcx);
            a.dec(rcx);
            a.jnz(loop);
            a.mov(__qword_ptr[KvmGuest.Data], rax);
            a.hlt();
        });
        guest.Cpu.SetState(guest.LongMode());

        VcpuStop stop = guest.Engine.Run(Budget);

        Assert.Equal((VcpuStop.Halted, 500_500UL), (stop, guest.Quad(KvmGuest.Data)));
    }

    [KvmFact]
    public void Run_PortAccess_ReachesTheDevice()
    {
        using KvmGuest guest = new();
        RecordingPort port = new();
        guest.Ports.Map(0x500, 4, port);
        guest.Place(64, a =>
        {
            a.mov(dx, 0x502);
            a.mov(eax, 0x1234);
            a.@out(dx, ax);
            a.@in(eax, dx);
            a.hlt();
        });
        guest.Cpu.SetState(guest.LongMode());

        guest.Engine.Run(Budget);

        Assert.Equal([(2, AccessWidth.Word, 0x1234u)], port.Writes);
        Assert.Equal(0xCAFE0002UL, guest.Cpu.State.Gprs0());
    }

    [KvmFact]
    public void Run_KickFromAnotherThread_EndsAnEndlessLoop()
    {
        using KvmGuest guest = new();
        guest.Place(64, a =>
        {
            Label loop = a.CreateLabel();
            a.Label(ref loop);
            a.inc(rax);
            a.jmp(loop);
        });
        guest.Cpu.SetState(guest.LongMode());
        using Timer timer = new(_ => guest.Engine.Kick(), null, 50, Timeout.Infinite);

        VcpuStop stop = guest.Engine.Run(long.MaxValue);

        Assert.Equal(VcpuStop.Kicked, stop);
        Assert.InRange(guest.Cpu.State.Gprs0(), 1UL, ulong.MaxValue);
    }

    [KvmFact]
    public void Run_ApicTimer_InterruptsTheLoop()
    {
        using KvmGuest guest = new();
        const ulong handler = KvmGuest.Code + 0x800;
        guest.Place(64, a =>
        {
            Label wait = a.CreateLabel();
            a.mov(ecx, 0x1B);
            a.rdmsr();
            a.or(eax, 0xC00); // x2APIC
            a.wrmsr();
            Write(a, 0x80F, 0x1FF);
            Write(a, 0x83E, 0xB);
            Write(a, 0x832, 64);
            Write(a, 0x838, 250_000); // 10 ms
            a.sti();
            a.Label(ref wait);
            a.cmp(__dword_ptr[KvmGuest.Data], 0);
            a.je(wait);
            a.cli();
            a.hlt();
        });
        X86CpuState state = guest.LongMode(handler);
        Assembler isr = new(64);
        isr.mov(__dword_ptr[KvmGuest.Data], 1);
        isr.mov(ecx, 0x80B);
        isr.xor(eax, eax);
        isr.xor(edx, edx);
        isr.wrmsr();
        isr.iretq();
        using MemoryStream stream = new();
        isr.Assemble(new StreamCodeWriter(stream), handler);
        stream.ToArray().CopyTo(guest.Memory.Slice(handler, (int)stream.Length));
        guest.Cpu.SetState(state);

        VcpuStop stop = VcpuStop.Kicked;
        for (int i = 0; i < 10 && stop == VcpuStop.Kicked; i++)
        {
            stop = guest.Engine.Run(Budget);
        }

        Assert.Equal((VcpuStop.Halted, 1UL), (stop, guest.Quad(KvmGuest.Data)));
        Assert.Equal(1, guest.Engine.Counters.Interrupts);

        static void Write(Assembler a, uint msr, uint value)
        {
            a.mov(ecx, msr);
            a.mov(eax, value);
            a.xor(edx, edx);
            a.wrmsr();
        }
    }

    [KvmFact]
    public void Run_InstructionThatKvmLacks_IsTheInterpreters()
    {
        using KvmGuest guest = new();
        guest.Quad(KvmGuest.Data) = 0x9FC0;
        guest.Place(64, a =>
        {
            a.ldmxcsr(__dword_ptr[KvmGuest.Data]);
            a.mov(eax, 7);
            a.hlt();
        });
        guest.Cpu.SetState(guest.LongMode());

        VcpuStop stop = guest.Engine.Run(Budget);

        Assert.Equal((VcpuStop.Halted, 0x9FC0u, 7UL), (stop, guest.Cpu.State.Mxcsr, guest.Cpu.State.Gprs0()));
    }

    [KvmFact]
    public void Run_NothingMapped_IsShutdown()
    {
        using KvmGuest guest = new();
        X86CpuState state = guest.LongMode();
        state.Idtr.Limit = 0;
        guest.Place(64, a => a.ud2());
        guest.Cpu.SetState(state);

        Assert.Equal(VcpuStop.Shutdown, guest.Engine.Run(Budget));
    }

    [KvmTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void HarvestDirtyPages_AfterAStore_MarksItsPage(bool precise)
    {
        using KvmGuest guest = new(precise);
        guest.Place(64, a =>
        {
            a.mov(__qword_ptr[KvmGuest.Data], rax);
            a.hlt();
        });
        guest.Cpu.SetState(guest.LongMode());
        guest.Engine.Run(Budget);

        guest.Machine.HarvestDirtyPages();

        Assert.True(guest.Memory.IsDirty(KvmGuest.Data >> 12));
        Assert.Equal(!precise, guest.Memory.IsDirty(0x300));
    }

    [KvmFact]
    public void Map_RomOverAPageWhileTheGuestRuns_IsSeen()
    {
        using KvmGuest guest = new();
        using GuestMemory rom = new(GuestMemory.PageSize);
        rom.Slice(0, 1)[0] = 0x11;
        guest.Place(64, a =>
        {
            Label loop = a.CreateLabel();
            a.Label(ref loop);
            a.inc(__qword_ptr[KvmGuest.Data + 0x1000]);
            a.cmp(__byte_ptr[KvmGuest.Data], 0x11);
            a.jne(loop);
            a.hlt();
        });
        guest.Cpu.SetState(guest.LongMode());
        VcpuStop stop = VcpuStop.BudgetSpent;
        Thread thread = new(() => stop = guest.Engine.Run(long.MaxValue)) { IsBackground = true };
        thread.Start();
        while (Volatile.Read(ref guest.Quad(KvmGuest.Data + 0x1000)) == 0)
        {
            Thread.Yield();
        }

        guest.Space.Map(MemoryRegion.Rom(KvmGuest.Data, rom, 0, GuestMemory.PageSize));

        Assert.True(thread.Join(TimeSpan.FromSeconds(60)));
        Assert.Equal(VcpuStop.Halted, stop);
    }

    [KvmFact]
    public void HarvestDirty_WhileTheGuestRuns_FindsItsPagesAgainAndNoOthers()
    {
        using KvmGuest guest = new();
        guest.Place(64, a =>
        {
            Label loop = a.CreateLabel();
            a.Label(ref loop);
            a.inc(__qword_ptr[KvmGuest.Data]);
            a.jmp(loop);
        });
        guest.Cpu.SetState(guest.LongMode());
        Thread thread = new(() => guest.Engine.Run(long.MaxValue)) { IsBackground = true };
        thread.Start();
        PageBitmap all = new(guest.Memory.Pages);
        PageBitmap some = new(guest.Memory.Pages);
        guest.Memory.HarvestDirty(all); // starts the log
        ulong before = Volatile.Read(ref guest.Quad(KvmGuest.Data));
        while (Volatile.Read(ref guest.Quad(KvmGuest.Data)) == before)
        {
            Thread.Yield();
        }

        guest.Memory.HarvestDirty(some);
        guest.Engine.Kick();

        Assert.True(thread.Join(TimeSpan.FromSeconds(60)));
        Assert.Equal((long)guest.Memory.Pages, all.CountPages());
        Assert.True(some.Contains(KvmGuest.Data >> 12));
        Assert.InRange(some.CountPages(), 1, 8); // accessed bits of the tables may be among them
    }

    [KvmFact]
    public void Run_ParavirtualClock_IsOursAndNotTheHosts()
    {
        using KvmGuest guest = new();
        guest.Place(64, a =>
        {
            a.mov(ecx, ParavirtMsr.SystemTime);
            a.mov(eax, (uint)KvmGuest.Data | 1);
            a.xor(edx, edx);
            a.wrmsr();
            a.hlt();
        });
        guest.Cpu.SetState(guest.LongMode());

        guest.Engine.Run(Budget);

        Assert.Equal(KvmGuest.Data | 1, guest.Hypercalls.SaveState().SystemTime);
        Assert.Equal(guest.Cpu.State.TscOffset, guest.Quad(KvmGuest.Data + 8));
        Assert.Equal(0UL, guest.Quad(KvmGuest.Data + 16));
    }

    private sealed class RecordingPort : IPortDevice
    {
        public List<(int Offset, AccessWidth Width, uint Value)> Writes { get; } = [];

        public uint ReadPort(ushort offset, AccessWidth width) => 0xCAFE0000u + offset;

        public void WritePort(ushort offset, AccessWidth width, uint value) => Writes.Add((offset, width, value));
    }
}
