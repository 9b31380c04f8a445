using Iced.Intel;
using Strata.Core.Execution;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Translator;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Conformance.Tests;

/// <summary>Accesses of a block that share one TLB check behave as if each had its own.</summary>
public sealed unsafe class SharedCheckTests : IDisposable
{
    private const ulong Page = 0x1000;
    private const ulong Present = 1;
    private const ulong Writable = 2;
    private const ulong Here = SystemMachine.Data;

    private readonly List<SystemMachine> _machines = [];

    public void Dispose() => _machines.ForEach(machine => machine.Dispose());

    [Fact]
    public void Loads_NearEachOther_ReadTheirOwn()
    {
        SystemMachine machine = Create();
        Number(machine, Here, count: 32);

        machine.Start(a =>
        {
            a.mov(rax, __qword_ptr[rbx + 24]);
            a.add(rax, __qword_ptr[rbx]);
            a.movzx(ecx, __byte_ptr[rbx + 200]);
            a.mov(rdx, __qword_ptr[rbx + 232]);
        });

        Assert.Equal((3UL, 25UL, 29UL), (machine.State.Gprs[Gpr.Rax], machine.State.Gprs[Gpr.Rcx], machine.State.Gprs[Gpr.Rdx]));
    }

    /// <summary>The second page lies elsewhere in host memory: an access by the first one's check would miss it.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Accesses_InTwoPages_ReachBoth(bool counting)
    {
        SystemMachine machine = Create(counting: counting);
        machine.ChangePte(Here + Page, Here + (4 * Page), Here + Page);
        Number(machine, Here + Page - 32, count: 4);
        Number(machine, Here + (4 * Page), count: 4);
        machine.State.Gprs[Gpr.Rbx] = Here + Page - 16;
        machine.State.Gprs[Gpr.Rsi] = 3;
        machine.State.Gprs[Gpr.Rax] = 0;

        machine.Start(a =>
        {
            Label loop = a.CreateLabel();
            a.Label(ref loop); // the second time by a link to the other translation
            a.add(rax, __qword_ptr[rbx]);      // 2
            a.add(rax, __qword_ptr[rbx + 24]); // 1
            a.mov(__qword_ptr[rbx + 8], rax);
            a.mov(__qword_ptr[rbx + 32], rax);
            a.dec(rsi);
            a.jnz(loop);
        });

        Assert.Equal((9UL, 9UL, 9UL), (machine.State.Gprs[Gpr.Rax], machine.Quad(Here + Page - 8), machine.Quad(Here + (4 * Page) + 16)));
    }

    /// <summary>MULX has two destinations: the second one is the others' base.</summary>
    [Fact]
    public void Loads_AroundMulxThatChangesTheBase_UseTheNewOne()
    {
        SystemMachine machine = Create();
        machine.Quad(Here + 8) = Here + 0x100;
        machine.Quad(Here + 0x100) = 55;
        machine.State.Gprs[Gpr.Rdx] = 1;

        machine.Start(a =>
        {
            a.mov(rax, __qword_ptr[rbx]);
            a.mulx(rcx, rbx, __qword_ptr[rbx + 8]);
            a.mov(rsi, __qword_ptr[rbx]);
        });

        Assert.Equal((Here + 0x100, 55UL), (machine.State.Gprs[Gpr.Rbx], machine.State.Gprs[Gpr.Rsi]));
    }

    [Fact]
    public void Vectors_InTwoPages_ReachBoth()
    {
        SystemMachine machine = Create();
        machine.ChangePte(Here + Page, Here + (4 * Page), Here + Page);
        Number(machine, Here + Page - 64, count: 8);
        Number(machine, Here + (4 * Page), count: 8);
        machine.State.Cr4 |= Cr4.OSXSAVE;
        machine.State.Xcr0 = 7;
        machine.State.Gprs[Gpr.Rbx] = Here + Page - 48;

        machine.Start(a =>
        {
            a.vmovdqu(ymm1, __[rbx]);
            a.vmovdqu(ymm2, __[rbx + 32]);
            a.vmovdqu(ymm3, __[rbx + 64]);
            a.vmovdqu(__[rbx + 32], ymm1);
        });

        Assert.Equal(machine.State.Vectors[4], machine.Quad(Here + Page - 16));
        Assert.Equal(machine.State.Vectors[7], machine.Quad(Here + (4 * Page) + 8));
        Assert.Equal(machine.State.Vectors[8] + 1, machine.State.Vectors[9]);
        Assert.Equal((0UL, 1UL), (machine.State.Vectors[10], machine.State.Vectors[11]));
        Assert.Equal((2UL, 5UL), (machine.State.Vectors[12], machine.State.Vectors[15]));
    }

    /// <summary>The budget ends among accesses in two pages that share a check.</summary>
    [Fact]
    public void Accesses_InTwoPagesWithTheBudgetForOne_EndsBehindIt()
    {
        SystemMachine machine = Create(counting: true);
        machine.State.Gprs[Gpr.Rbx] = Here + Page - 8;
        machine.Place(machine.Entry, a =>
        {
            a.mov(rax, __qword_ptr[rbx]); // three bytes
            a.mov(rcx, __qword_ptr[rbx + 8]);
        });
        machine.Cpu.SetState(machine.State);

        VcpuStop stop = machine.Engine.Run(1);

        machine.Cpu.GetState(out X86CpuState state);
        Assert.Equal((VcpuStop.BudgetSpent, machine.Entry + 3), (stop, state.Rip));
    }

    [Fact]
    public void Access_SecondPageIsNotThere_FaultsWithTheFirstDone()
    {
        SystemMachine machine = Create();
        machine.ChangePte(Here + Page, 0, Present);
        machine.Quad(Here + Page - 8) = 7;
        machine.State.Gprs[Gpr.Rbx] = Here + Page - 8;

        machine.Start(a =>
        {
            a.mov(rax, __qword_ptr[rbx]); // three bytes
            a.mov(rcx, __qword_ptr[rbx + 8]);
        });

        machine.AssertEvent(ExceptionVector.PageFault, 0, machine.Entry + 3);
        Assert.Equal((7UL, Here + Page), (machine.State.Gprs[Gpr.Rax], machine.State.Cr2));
    }

    /// <summary>The check covers what lies below the first access, but the fault is the first access's.</summary>
    [Fact]
    public void Access_PageIsNotThere_ReportsTheFirstAddress()
    {
        SystemMachine machine = Create();
        machine.ChangePte(Here, 0, Present);

        machine.Start(a =>
        {
            a.mov(rax, __qword_ptr[rbx + 64]);
            a.mov(rcx, __qword_ptr[rbx]);
        });

        machine.AssertFault(ExceptionVector.PageFault, 0);
        Assert.Equal(Here + 64, machine.State.Cr2);
    }

    [Fact]
    public void Store_BehindALoadFromAReadOnlyPage_Faults()
    {
        SystemMachine machine = Create();
        machine.ChangePte(Here, 0, Writable);
        machine.Quad(Here) = 5;

        machine.Start(a =>
        {
            a.mov(rax, __qword_ptr[rbx]);
            a.mov(__qword_ptr[rbx + 8], rax);
        });

        machine.AssertEvent(ExceptionVector.PageFault, 3, machine.Entry + 3);
        Assert.Equal((5UL, 0UL), (machine.State.Gprs[Gpr.Rax], machine.Quad(Here + 8)));
    }

    /// <summary>Every way in which the register of an address can change between two accesses.</summary>
    [Theory]
    [InlineData("mov")]
    [InlineData("xchg")]
    [InlineData("xadd")]
    [InlineData("cmov")]
    [InlineData("high byte")]
    [InlineData("pop")]
    [InlineData("load")]
    [InlineData("lea")]
    [InlineData("lods")]
    public void Load_AddressChangedInBetween_UsesTheNewOne(string how)
    {
        const ulong there = Here + 0x4000;
        SystemMachine machine = Create();
        Number(machine, Here, count: 4);
        machine.ChangePte(there, Here + 0x9000, there); // elsewhere in host memory
        Number(machine, Here + 0x9000, count: 4, from: 100);
        machine.Quad(SystemMachine.Stack - 8) = there;
        machine.Quad(Here + 16) = there;
        machine.State.Gprs[Gpr.Rsp] = SystemMachine.Stack - 8;
        machine.State.Gprs[Gpr.Rsi] = how == "lods" ? there - 8 : there;
        machine.State.Gprs[Gpr.Rdx] = there - Here;
        AssemblerRegister64 at = how == "lods" ? rsi : rbx;

        machine.Start(a =>
        {
            a.mov(rcx, __qword_ptr[at]);
            switch (how)
            {
                case "mov": a.mov(rbx, rsi); break;
                case "xchg": a.xchg(rsi, rbx); break;
                case "xadd": a.xadd(rbx, rdx); break;
                case "cmov": a.cmp(rbx, rbx); a.cmove(rbx, rsi); break;
                case "high byte": a.mov(bh, 0x40); break;
                case "pop": a.pop(rbx); break;
                case "load": a.mov(rbx, __qword_ptr[rbx + 16]); break;
                case "lea": a.lea(rbx, __[rbx + 0x4000]); break;
                default: a.lodsq(); break;
            }

            a.mov(rcx, __qword_ptr[at + 8]);
        });

        machine.AssertNoEvent();
        Assert.Equal(101UL, machine.State.Gprs[Gpr.Rcx]);
    }

    /// <summary>
    /// An access that relies on another one's check leaves the flags in the host's register, where the next instruction takes them.
    /// </summary>
    [Fact]
    public void Load_BetweenAFlagsWriterAndItsReader_LeavesTheFlags()
    {
        SystemMachine machine = Create();
        Number(machine, Here, count: 8);
        machine.State.Gprs[Gpr.Rsi] = 1;
        machine.State.Gprs[Gpr.Rax] = ulong.MaxValue;

        machine.Start(a =>
        {
            a.mov(rcx, __qword_ptr[rbx + (rsi * 8)]);
            a.add(rax, 1);                               // carries
            a.mov(rdx, __qword_ptr[rbx + (rsi * 8) + 8]);
            a.adc(rdx, __qword_ptr[rbx + (rsi * 8) + 16]);
            a.mov(r14, __qword_ptr[rbx + (rsi * 8) + 24]);
            a.adc(r14, __qword_ptr[rbx + (rsi * 8) + 32]);
            a.mov(rax, r14);
        });

        Assert.Equal((1UL, 5UL + 1, 9UL), (machine.State.Gprs[Gpr.Rcx], machine.State.Gprs[Gpr.Rdx], machine.State.Gprs[Gpr.Rax]));
    }

    /// <summary>For AH beside a memory operand the bytes of RAX change places, which is in the address as well.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Add_HighByteOfTheAddressRegister_ReachesItsOwn(bool indexed)
    {
        SystemMachine machine = Create();
        machine.Quad(Here + 0x137) = 0;
        machine.State.Gprs[Gpr.Rax] = Here + 0x137;
        machine.State.Gprs[Gpr.Rsi] = 0;

        machine.Start(a =>
        {
            AssemblerMemoryOperand place = indexed ? __byte_ptr[rax + (rsi * 2)] : __byte_ptr[rax];
            a.add(place, al);
            a.add(place, ah);
            a.add(place, ah);
        });

        Assert.Equal(0x39UL, machine.Quad(Here + 0x137));
    }

    /// <summary>A miss of another access in between leaves and comes back: what the check found is still there.</summary>
    [Fact]
    public void Load_BehindAMissOfAnotherPage_StillReadsItsOwn()
    {
        SystemMachine machine = Create();
        Number(machine, Here, count: 8);
        machine.Quad(Here + (8 * Page)) = 50;
        machine.State.Gprs[Gpr.Rdi] = Here + (8 * Page);

        machine.Start(a =>
        {
            a.mov(rax, __qword_ptr[rbx]);
            a.mov(rcx, __qword_ptr[rdi]);
            a.mov(rdx, __qword_ptr[rbx + 40]);
        });

        Assert.Equal((0UL, 50UL, 5UL), (machine.State.Gprs[Gpr.Rax], machine.State.Gprs[Gpr.Rcx], machine.State.Gprs[Gpr.Rdx]));
    }

    /// <summary>Stores that share a check, into the page in which they are: the second changes the instruction behind it.</summary>
    [Fact]
    public void Stores_IntoTheirOwnCode_TakeEffect()
    {
        SystemMachine machine = Create();
        machine.State.Gprs[Gpr.Rbx] = SystemMachine.Code + 0x20;
        machine.State.Gprs[Gpr.Rdx] = 0x77;

        machine.Start(a =>
        {
            a.mov(__byte_ptr[rbx + 8], dl);
            a.mov(__byte_ptr[rbx - 0x20 + 7], dl); // the immediate below
            a.mov(eax, 1);
        });

        Assert.Equal((0x77UL, (byte)0x77), (machine.State.Gprs[Gpr.Rax], *machine.At(SystemMachine.Code + 0x28)));
    }

    /// <summary>32-bit addresses: what 64-bit code left in the registers' upper halves is no part of them, and their sum wraps.</summary>
    [Theory]
    [InlineData(0x1234_5678_0000_0000, 0)]
    [InlineData(-0x1_0000_0000, 0)]
    [InlineData(0, 0x1000)]
    [InlineData(0x7FFF_FFFF_0000_0000, 0x1000)]
    public void Accesses_In32BitCode_WrapAt4GiB(long upper, int wrapped)
    {
        SystemMachine machine = Create(mode: GuestMode.Compatibility);
        Number(machine, Here, count: 32);
        machine.State.Gprs[Gpr.Rbx] = (ulong)upper | (uint)(Here - (uint)wrapped - 0x2000);
        machine.State.Gprs[Gpr.Rsi] = (ulong)upper | 0x2000 / 4;
        int at = wrapped;

        machine.Start(a =>
        {
            a.mov(eax, __dword_ptr[ebx + (esi * 4) + at + 24]);
            a.add(eax, __dword_ptr[ebx + (esi * 4) + at + 8]);
            a.mov(__dword_ptr[ebx + (esi * 4) + at + 16], eax);
            a.mov(edx, __dword_ptr[ebx + (esi * 4) + at + 232]);
        });

        machine.AssertNoEvent();
        Assert.Equal((4UL, 29UL, 4UL), (machine.State.Gprs[Gpr.Rax], machine.State.Gprs[Gpr.Rdx], machine.Quad(Here + 16)));
    }

    /// <summary>The sum of register and displacement passes 4 GiB.</summary>
    [Fact]
    public void Accesses_In32BitCodeFromTheTopOfMemory_ReachTheBottom()
    {
        SystemMachine machine = Create(mode: GuestMode.Compatibility);
        Number(machine, Here, count: 4);
        machine.State.Gprs[Gpr.Rbx] = 0xFFFF_FFF0;

        machine.Start(a =>
        {
            a.mov(eax, __dword_ptr[ebx + (int)Here + 0x18]);
            a.add(eax, __dword_ptr[ebx + (int)Here + 0x20]);
        });

        Assert.Equal(3UL, machine.State.Gprs[Gpr.Rax]);
    }

    /// <summary>A stack frame that lies in two pages, again and again: its instructions stay in translated code.</summary>
    [Theory]
    [InlineData(GuestMode.Long)]
    [InlineData(GuestMode.Protected32)]
    public void PushesAndPops_InTwoPages_StayTranslated(GuestMode mode)
    {
        const uint rounds = 50;
        ulong slot = mode == GuestMode.Long ? 8UL : 4;
        SystemMachine machine = Create(mode: mode);
        machine.State.Gprs[Gpr.Rsp] = SystemMachine.Stack - Page + slot;
        machine.State.Gprs[Gpr.Rcx] = rounds;
        machine.State.Gprs[Gpr.Rax] = 0;
        machine.State.Gprs[Gpr.Rbx] = 3;
        machine.State.Gprs[Gpr.Rsi] = 0;

        machine.Start(a =>
        {
            Label loop = a.CreateLabel();
            a.Label(ref loop);
            if (mode == GuestMode.Long)
            {
                a.push(rbx);
                a.push(rcx);
                a.push(rsi);
                a.pop(rsi);
                a.pop(rdx);
                a.pop(rdi);
            }
            else
            {
                a.push(ebx);
                a.push(ecx);
                a.push(esi);
                a.pop(esi);
                a.pop(edx);
                a.pop(edi);
            }

            a.add(eax, edi);
            a.add(esi, edx);
            a.dec(ecx);
            a.jnz(loop);
        });

        IReadOnlyList<long> interpreted = ((Translator)machine.Engine).Counters.Interpreted;
        long stackInstructions = interpreted[
            (int)Code.Push_r64] + interpreted[(int)Code.Push_r32] + interpreted[(int)Code.Pop_r64] + interpreted[(int)Code.Pop_r32];
        Assert.Equal((3UL * rounds, 25UL * 51), (machine.State.Gprs[Gpr.Rax], machine.State.Gprs[Gpr.Rsi]));
        Assert.InRange(stackInstructions, 0, 6);
    }

    private static void Number(SystemMachine machine, ulong at, int count, ulong from = 0)
    {
        for (ulong i = 0; i < (ulong)count; i++)
        {
            machine.Quad(at + (i * 8)) = from + i;
        }
    }

    private SystemMachine Create(bool counting = false, GuestMode mode = GuestMode.Long)
    {
        TranslatorOptions options = new() { IsOnlyProcessor = true, CountInstructions = counting };
        SystemMachine machine = new(mode, createEngine: wiring => new Translator(wiring, options));
        _machines.Add(machine);
        return machine;
    }
}
