using Iced.Intel;
using Strata.Core.Bus;
using Strata.X86.Comparison;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Translator;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Conformance.Tests;

/// <summary>
/// Plain accesses to devices, which the translator serves without the interpreter: the device sees the same accesses in the same order, and
/// registers and memory end the same.
/// </summary>
public sealed unsafe class DeviceAccessTests
{
    private const ulong Page = 0x1000;
    private const ulong Here = 0xA000; // within the first 64 KiB, between code and stack
    private const int Rounds = 20;

    /// <summary>Executions of an instruction until it is known.</summary>
    private const long WhileNew = 3;

    public static TheoryData<GuestMode> Modes => [GuestMode.Real, GuestMode.Protected16, GuestMode.Protected32, GuestMode.Long];

    [Theory]
    [MemberData(nameof(Modes))]
    public void Moves_InALoop_AreSeenByTheDeviceAsByTheInterpreters(GuestMode mode) => Compare(
        mode,
        Loop(a =>
        {
            a.mov(al, __byte_ptr[ebx + 1]);
            a.mov(ah, __byte_ptr[ebx + 2]);
            a.mov(dx, __word_ptr[ebx + 4]);
            a.mov(ebp, __dword_ptr[ebx + 8]);
            a.mov(__byte_ptr[ebx + 3], ah);
            a.mov(__word_ptr[ebx + 6], dx);
            a.mov(__dword_ptr[ebx + 12], ebp);
            a.mov(__dword_ptr[ebx + 16], 0x89AB_CDEF);
            a.movzx(edx, __byte_ptr[ebx + 20]);
            a.movsx(ebp, __byte_ptr[ebx + 21]);
            a.movsx(dx, __byte_ptr[ebx + 22]);
            a.add(__dword_ptr[ebx + (int)Page], edx);
        }),
        Code.Mov_r8_rm8,
        Code.Mov_rm32_r32,
        Code.Movsx_r32_rm8);

    [Theory]
    [MemberData(nameof(Modes))]
    public void Strings_OfOneElement_AreSeenByTheDeviceAsByTheInterpreters(GuestMode mode) => Compare(
        mode,
        Loop(a =>
        {
            a.mov(edi, (int)Here + 0x800);
            a.mov(esi, (int)Here + 0x400);
            a.lodsb();
            a.stosb();
            a.lodsd();
            a.std();
            a.stosd();
            a.lodsw();
            a.cld();
            a.stosw();
            a.add(edx, esi);
            a.add(edx, edi);
        }),
        Code.Stosb_m8_AL,
        Code.Lodsd_EAX_m32);

    [Theory]
    [MemberData(nameof(Modes))]
    public void Repeated_BetweenMemoryAndDevice_AreSeenElementByElement(GuestMode mode) => Compare(
        mode,
        Loop(a =>
        {
            a.mov(ebp, ecx);
            a.mov(edi, (int)Here + 0xF80);
            a.mov(esi, (int)(Here + Page) + 0x10);
            a.mov(ecx, 100); // from memory, through the page's end, into the memory behind it
            a.rep.movsw();
            a.mov(esi, (int)Here + 0x20);
            a.mov(edi, (int)(Here + Page) + 0x100);
            a.mov(ecx, 50);
            a.rep.movsd();
            a.mov(esi, (int)Here + 0x20);
            a.mov(edi, (int)Here + 0x300);
            a.mov(ecx, 9);
            a.rep.movsb();
            a.mov(edi, (int)Here + 0x200);
            a.mov(ecx, 33);
            a.rep.stosd();
            a.std();
            a.mov(ecx, 3);
            a.rep.stosb();
            a.cld();
            a.mov(ecx, ebp);
        }));

    [Theory]
    [MemberData(nameof(Modes))]
    public void Ports_InALoop_AreSeenByTheDeviceAsByTheInterpreters(GuestMode mode) => Compare(
        mode,
        Loop(a =>
        {
            a.mov(dx, 0x1234);
            a.@in(al, dx);
            a.@out(dx, ax);
            a.@in(eax, dx);
            a.@out(dx, al);
            a.@in(ax, 0x80);
            a.@out(0x84, eax);
            a.stc(); // flags stay as they are
            a.@out(0x80, al);
            a.adc(ebp, eax);
        }),
        Code.In_AL_DX,
        Code.Out_DX_AX,
        Code.Out_imm8_EAX);

    [Fact]
    public void Move_DeviceGivesWayToMemory_ReachesTheMemory()
    {
        using SystemMachine machine = Create(GuestMode.Long, translates: true);
        Recorder device = new();
        MemoryRegion region = MemoryRegion.OfDevice(Here, Page, device, MemoryRegion.OverlayPriority);
        machine.Cpu.Memory.Map(region);
        machine.Cpu.Ports.Map(0x80, 1, new Unmapper(machine.Cpu.Memory, region));

        machine.State.Gprs[Gpr.Rbx] = Here;
        machine.Start(a =>
        {
            Label loop = a.CreateLabel();
            a.mov(ecx, 10);
            a.Label(ref loop);
            a.mov(__byte_ptr[rbx + rcx], cl);
            a.cmp(ecx, 5);
            Label next = a.CreateLabel();
            a.jne(next);
            a.@out(0x80, al);
            a.Label(ref next);
            a.dec(ecx);
            a.jnz(loop);
        });

        machine.AssertNoEvent();
        Assert.Equal(6, device.Seen.Count);
        Assert.Equal([0, 1, 2, 3, 4, 0], machine.Memory.Slice(Here, 6).ToArray());
    }

    [Fact]
    public void Move_PageWithoutWriteRightAfterTheDeviceIsKnown_Faults()
    {
        using SystemMachine machine = Create(GuestMode.Long, translates: true);
        Recorder device = new();
        machine.Cpu.Memory.Map(MemoryRegion.OfDevice(Here, Page, device, MemoryRegion.OverlayPriority));
        machine.State.Cr0 |= Cr0.WP;

        machine.State.Gprs[Gpr.Rbx] = Here;
        machine.Start(a =>
        {
            Label loop = a.CreateLabel();
            a.mov(ecx, 10);
            a.mov(rdx, machine.PteAddress(Here));
            a.Label(ref loop);
            a.mov(__byte_ptr[rbx], cl);
            a.dec(ecx);
            a.cmp(ecx, 5);
            a.jne(loop);
            a.and(__dword_ptr[rdx], ~2);
            a.invlpg(__[rbx]);
            a.jmp(loop);
        });

        Assert.Equal(5, device.Seen.Count);
        Assert.Equal(Here, machine.State.Cr2);
        Assert.Equal(5UL, machine.State.Gprs[Gpr.Rcx]);
    }

    private static Action<Assembler> Loop(Action<Assembler> body) => a =>
    {
        Label loop = a.CreateLabel();
        a.mov(ecx, Rounds);
        a.Label(ref loop);
        body(a);
        a.dec(ecx);
        a.jnz(loop);
    };

    /// <param name="codes">What is executed by the interpreter only while it is new.</param>
    private static void Compare(GuestMode mode, Action<Assembler> program, params ReadOnlySpan<Code> codes)
    {
        Recorder reference = new();
        Recorder device = new();
        using SystemMachine expected = Create(mode, translates: false);
        using SystemMachine actual = Create(mode, translates: true);
        foreach ((SystemMachine machine, Recorder recorder) in ((SystemMachine, Recorder)[])[(expected, reference), (actual, device)])
        {
            machine.Cpu.Memory.Map(MemoryRegion.OfDevice(Here, Page, recorder, MemoryRegion.OverlayPriority));
            machine.Cpu.Ports.Map(0x80, 8, recorder);
            machine.Cpu.Ports.Map(0x1234, 4, recorder);
            machine.State.Gprs[Gpr.Rbx] = Here;
            machine.Start(program);
        }

        Assert.Equal(reference.Seen, device.Seen);
        expected.Cpu.GetState(out X86CpuState wanted);
        actual.Cpu.GetState(out X86CpuState state);
        Assert.Empty(StateComparison.Compare(wanted, state, 0).Select(difference => difference.ToString()));
        Assert.True(
            expected.Memory.Slice(Here + Page, (int)Page).SequenceEqual(actual.Memory.Slice(Here + Page, (int)Page)), "memory differs");
        foreach (Code code in codes)
        {
            Assert.InRange(((Translator)actual.Engine).Counters.Interpreted[(int)code], 0, WhileNew);
        }
    }

    private static SystemMachine Create(GuestMode mode, bool translates) => new(
        mode,
        createEngine: translates
            ? wiring => new Translator(wiring, new TranslatorOptions { ExactFlags = true, IsOnlyProcessor = true })
            : wiring => new X86.Interpreter.Interpreter(wiring));

    /// <summary>Answers with something else each time, and notes what it sees.</summary>
    private sealed class Recorder : IMmioDevice, IPortDevice
    {
        private ulong _answer = 0x9E37_79B9_7F4A_7C15;

        public List<(ulong Offset, AccessWidth Width, ulong? Value)> Seen { get; } = [];

        public ulong ReadMmio(ulong offset, AccessWidth width)
        {
            Seen.Add((offset, width, null));
            return _answer = (_answer * 6364136223846793005) + offset + 1;
        }

        public void WriteMmio(ulong offset, AccessWidth width, ulong value) => Seen.Add((offset, width, value));

        public uint ReadPort(ushort offset, AccessWidth width) => (uint)(ReadMmio(offset, width) >> 32);

        public void WritePort(ushort offset, AccessWidth width, uint value) => WriteMmio(offset, width, value);
    }

    private sealed class Unmapper(AddressSpace space, MemoryRegion region) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width) => 0;

        public void WritePort(ushort offset, AccessWidth width, uint value) => space.Change([region], []);
    }
}
