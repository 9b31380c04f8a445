using Strata.Core.Bus;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.Core.Time;
using Strata.X86.Cpuid;
using Strata.X86.Execution;
using Strata.X86.Registers;

namespace Strata.X86.Kvm;

/// <summary>
/// Finds out by running code whether a KVM executes correctly what every operating system needs and some KVMs that are themselves
/// virtualized in software get wrong. Takes a few milliseconds.
/// </summary>
public static unsafe class KvmSelfTest
{
    private const ulong MemorySize = 4 << 20;
    private const ulong Tables = 0x1000;
    private const ulong Gdt = 0x4000;
    private const ulong UserCode = 0x8000;
    private const ulong KernelEntry = 0x20_0000; // the second 2 MiB are the kernel's
    private const ulong EntryAndUser = 7;
    private const ulong LargePage = 0x80;
    private const ushort Syscall = 0x050F;
    private const byte Halt = 0xF4;
    private const long Budget = 100_000;

    /// <summary>Looks for defects.</summary>
    /// <returns>A sentence about the defect, or null.</returns>
    public static string? FindDefect(KvmDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        using GuestMemory memory = new(MemorySize);
        AddressSpace space = new();
        space.MapRam(0, memory, 0, MemorySize);
        CpuidPolicy policy = device.Adapt(new CpuidPolicy());
        using KvmMachine machine = new(device, space, policy);
        using KvmEngine engine = new(
            new X86CpuWiring { Index = 0, Memory = space, Ports = new PortSpace(), Clock = new ManualClock(), Cpuid = policy }, machine);
        Build(memory);
        engine.Cpu.SetState(UserState());
        VcpuStop stop = engine.Run(Budget);
        ref X86CpuState s = ref engine.Cpu.State;
        return stop == VcpuStop.Halted && engine.Cpu.Cpl == 0 && s.Rip == KernelEntry + 1 && s.Gprs[Gpr.Rcx] == UserCode + 2
            ? null
            : "SYSCALL in user mode does not reach kernel mode, so no 64-bit operating system can run programs";
    }

    private static void Build(GuestMemory memory)
    {
        // SAFETY: constants inside the memory.
        byte* at = memory.Base;
        *(ulong*)(at + Tables) = (Tables + 0x1000) | EntryAndUser;
        *(ulong*)(at + Tables + 0x1000) = (Tables + 0x2000) | EntryAndUser;
        *(ulong*)(at + Tables + 0x2000) = EntryAndUser | LargePage;
        *(ulong*)(at + Tables + 0x2008) = KernelEntry | LargePage | 3;
        *(ulong*)(at + Gdt + 0x10) = 0x00AF9B000000FFFF;
        *(ulong*)(at + Gdt + 0x18) = 0x00CF93000000FFFF;
        *(ulong*)(at + Gdt + 0x28) = 0x00CFF3000000FFFF;
        *(ulong*)(at + Gdt + 0x30) = 0x00AFFB000000FFFF;
        *(ushort*)(at + UserCode) = Syscall;
        at[KernelEntry] = Halt;
    }

    /// <summary>CPL 3 with the selectors that Linux uses; no IDT, so that any exception ends in shutdown.</summary>
    private static X86CpuState UserState()
    {
        const uint user = SegmentState.Present | SegmentState.NonSystem | SegmentState.Accessed | SegmentState.ReadableOrWritable
            | SegmentState.Granularity | (3u << SegmentState.DplShift);
        X86CpuState state = X86CpuState.AtReset();
        for (SegmentIndex index = SegmentIndex.Es; index <= SegmentIndex.Gs; index++)
        {
            state.Segment(index) = new SegmentState { Limit = uint.MaxValue, Attributes = user | SegmentState.Big, Selector = 0x2B };
        }

        state.Cs = new SegmentState { Limit = uint.MaxValue, Attributes = user | SegmentState.Code | SegmentState.Long, Selector = 0x33 };
        state.Cr0 = Cr0.PE | Cr0.PG | Cr0.NE | Cr0.ET | Cr0.MP | Cr0.WP;
        state.Cr3 = Tables;
        state.Cr4 = Cr4.PAE | Cr4.OSFXSR | Cr4.OSXMMEXCPT;
        state.EferMsr = Efer.LME | Efer.LMA | Efer.SCE | Efer.NXE;
        state.Gdtr = new DescriptorTableRegister { Base = Gdt, Limit = 0x37 };
        state.Idtr = default;
        state.Star = (0x23UL << 48) | (0x10UL << 32);
        state.Lstar = KernelEntry;
        state.Sfmask = RFlags.IF | RFlags.DF | RFlags.TF;
        state.Rip = UserCode;
        state.Fcw = 0x37F;
        state.Ftw = 0xFFFF;
        return state;
    }
}
