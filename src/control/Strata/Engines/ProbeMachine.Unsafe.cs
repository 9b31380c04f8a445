using System.Diagnostics;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.Time;
using Strata.Machines.Engines;
using Strata.X86.Cpuid;
using Strata.X86.Execution;
using Strata.X86.Registers;

namespace Strata.Engines;

/// <summary>
/// A processor in 64-bit mode with 2 MiB of memory mapped one to one, one page left out, and a page-fault handler: enough to
/// measure an engine. One thread.
/// </summary>
internal sealed unsafe class ProbeMachine : IDisposable
{
    private const ulong MemorySize = 2 << 20;
    private const ulong Tables = 0x1000;
    private const ulong Gdt = 0x5000;
    private const ulong Idt = 0x6000;
    private const ulong Tss = 0x7000;
    private const ulong KernelStack = 0xA000;
    private const ulong UserStack = 0xC000;
    private const ulong Code = 0x10000;
    private const ulong Handler = 0x11000;
    private const ulong Data = 0x20000;
    private const ulong Absent = 0x1F_0000;
    private const int PageFault = 14;
    private const ushort KernelCode = 0x08;
    private const ushort KernelData = 0x10;
    private const ushort UserData = 0x1B;
    private const ushort UserCode = 0x23;
    private const ushort TaskState = 0x28;
    private const uint Flat = SegmentState.Present
        | SegmentState.NonSystem
        | SegmentState.Accessed
        | SegmentState.ReadableOrWritable
        | SegmentState.Granularity;

    private readonly GuestMemory _memory;
    private readonly X86Cpu _cpu;
    private readonly IMachineEngine _machine;
    private readonly IX86Engine _engine;

    /// <param name="sharesMemory">The RAM is one that other processes can map.</param>
    /// <param name="create">Makes the engine over the memory given.</param>
    public ProbeMachine(CpuidPolicy policy, bool sharesMemory, Func<AddressSpace, GuestMemory, IMachineEngine> create)
    {
        _memory = sharesMemory ? GuestMemory.CreateShared(MemorySize) : new GuestMemory(MemorySize);
        AddressSpace space = new();
        space.MapRam(0, _memory, 0, MemorySize);
        BuildTables();
        ProbeProgram.SkipTwo.CopyTo(_memory.Slice(Handler, ProbeProgram.SkipTwo.Length));
        _cpu = new X86Cpu(
            new X86CpuWiring { Index = 0, Memory = space, Ports = new PortSpace(), Clock = new ManualClock(), Cpuid = policy });
        try
        {
            _machine = create(space, _memory);
            _engine = _machine.CreateVcpu(_cpu);
        }
        catch
        {
            _machine?.Dispose();
            _cpu.Dispose();
            _memory.Dispose();
            throw;
        }
    }

    /// <summary>Turns of a program a second.</summary>
    /// <param name="program">Endless; counts in RCX.</param>
    /// <param name="user">At CPL 3.</param>
    /// <param name="slice">How long to measure; a fifth of it more goes to warming up.</param>
    /// <exception cref="InvalidOperationException">The engine ended the program.</exception>
    public double Measure(ReadOnlySpan<byte> program, bool user, TimeSpan slice)
    {
        program.CopyTo(_memory.Slice(Code, program.Length));
        _memory.InvalidateCode(Code >> GuestMemory.PageShift);
        _engine.Cpu.SetState(Start(user, faults: program == ProbeProgram.Touch));
        Run(slice / 5);
        ulong before = _engine.Cpu.State.Gprs[Gpr.Rcx];
        TimeSpan elapsed = Run(slice);
        ulong turns = _engine.Cpu.State.Gprs[Gpr.Rcx] - before;
        return turns / elapsed.TotalSeconds;
    }

    public void Dispose()
    {
        _engine.Dispose();
        _machine.Dispose();
        _cpu.Dispose();
        _memory.Dispose();
    }

    private TimeSpan Run(TimeSpan time)
    {
        long start = Stopwatch.GetTimestamp();
        using Timer kick = new(_ => _engine.Kick(), null, time, Timeout.InfiniteTimeSpan);
        Core.Execution.VcpuStop stop = _engine.Run(long.MaxValue);
        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        return stop == Core.Execution.VcpuStop.Kicked
            ? elapsed
            : throw new InvalidOperationException($"The probe's program ended ({stop}) at RIP 0x{_engine.Cpu.State.Rip:x}.");
    }

    private ref ulong Quad(ulong address) => ref *(ulong*)(_memory.Base + address); // SAFETY: constants inside the memory

    private void BuildTables()
    {
        const ulong entry = 7; // present, writable, user
        for (ulong level = 0; level < 3; level++)
        {
            Quad(Tables + (level * 0x1000)) = (Tables + ((level + 1) * 0x1000)) | entry;
        }

        for (ulong page = 0; page < MemorySize; page += 0x1000)
        {
            Quad(Tables + 0x3000 + (page >> 9)) = page == Absent ? 0 : page | entry;
        }

        Quad(Gdt + KernelCode) = 0x00AF9B000000FFFF;
        Quad(Gdt + KernelData) = 0x00CF93000000FFFF;
        Quad(Gdt + (UserData & ~3u)) = 0x00CFF3000000FFFF;
        Quad(Gdt + (UserCode & ~3u)) = 0x00AFFB000000FFFF;
        Quad(Gdt + TaskState) = 0x00008B0000000067 | (Tss << 16);
        Quad(Tss + 4) = KernelStack;
        Quad(Idt + (PageFault * 16)) = (Handler & 0xFFFF) | ((ulong)KernelCode << 16) | (0x8EUL << 40) | ((Handler >> 16) << 48);
    }

    private static X86CpuState Start(bool user, bool faults)
    {
        X86CpuState state = X86CpuState.AtReset();
        uint privilege = user ? 3u << SegmentState.DplShift : 0;
        for (SegmentIndex index = SegmentIndex.Es; index <= SegmentIndex.Gs; index++)
        {
            state.Segment(index) = new SegmentState
            {
                Limit = uint.MaxValue,
                Attributes = Flat | SegmentState.Big | privilege,
                Selector = user ? UserData : KernelData,
            };
        }

        state.Cs = new SegmentState
        {
            Limit = uint.MaxValue,
            Attributes = Flat | SegmentState.Code | SegmentState.Long | privilege,
            Selector = user ? UserCode : KernelCode,
        };
        state.Tr = new SegmentState { Base = Tss, Limit = 0x67, Attributes = SegmentState.Present | 11, Selector = TaskState };
        state.Ldtr = new SegmentState { Attributes = SegmentState.Unusable };
        state.Cr0 = Cr0.PE | Cr0.PG | Cr0.NE | Cr0.ET | Cr0.MP | Cr0.WP;
        state.Cr3 = Tables;
        state.Cr4 = Cr4.PAE | Cr4.OSFXSR | Cr4.OSXMMEXCPT;
        state.EferMsr = Efer.LME | Efer.LMA | Efer.SCE | Efer.NXE;
        state.Gdtr = new DescriptorTableRegister { Base = Gdt, Limit = 0x37 };
        state.Idtr = new DescriptorTableRegister { Base = Idt, Limit = 0xFFF };
        state.Rip = Code;
        state.Gprs[Gpr.Rsp] = user ? UserStack : KernelStack;
        state.Gprs[Gpr.Rbx] = faults ? Absent : Data;
        state.Fcw = 0x37F;
        state.Ftw = 0xFFFF;
        return state;
    }
}
