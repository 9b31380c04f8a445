using Iced.Intel;
using Strata.Core.Execution;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Translator;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Conformance.Tests;

/// <summary>Conditional jumps in the middle of a translated block.</summary>
public sealed unsafe class SideExitTests : IDisposable
{
    private const ulong Here = SystemMachine.Data;
    private const ulong Page = 0x1000;

    private readonly List<SystemMachine> _machines = [];

    public void Dispose() => _machines.ForEach(machine => machine.Dispose());

    /// <summary>Only one of the two ways reads the flags, behind a memory access, which changes the host's.</summary>
    [Theory]
    [InlineData(1, 2, 0xB1)] // below: SETB, and not SETZ
    [InlineData(2, 2, 0xA1)] // equal: SETZ
    [InlineData(3, 2, 0xA0)]
    public void Flags_ReadOnEitherWay_AreThoseOfTheComparison(ulong left, ulong right, ulong expected)
    {
        SystemMachine machine = Create();
        machine.State.Gprs[Gpr.Rax] = left;
        machine.State.Gprs[Gpr.Rcx] = right;
        machine.State.Gprs[Gpr.Rdx] = 0;

        machine.Start(a =>
        {
            Label below = a.CreateLabel();
            Label end = a.CreateLabel();
            a.cmp(rax, rcx);
            a.jb(below);
            a.mov(__qword_ptr[rbx], rax);
            a.setz(dl);
            a.or(edx, 0xA0);
            a.jmp(end);
            a.Label(ref below);
            a.mov(__qword_ptr[rbx + 8], rax);
            a.setb(dl);
            a.or(edx, 0xB0);
            a.Label(ref end);
            a.nop();
        });

        Assert.Equal(expected, machine.State.Gprs[Gpr.Rdx]);
    }

    /// <summary>What the jump leaves out is not counted, wherever the budget ends.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(7)]
    public void Run_JumpIsTakenInTheMiddle_EndsAtTheBudget(int budget)
    {
        SystemMachine machine = Create(counting: true);
        ulong start = machine.Entry;
        machine.State.Gprs[Gpr.Rcx] = 0;
        machine.Place(start, a =>
        {
            Label loop = a.CreateLabel();
            Label even = a.CreateLabel();
            a.Label(ref loop);
            a.inc(rcx);    // 3 bytes
            a.test(cl, 1); // 3
            a.jz(even);    // 2, taken every other time
            a.nop();
            a.nop();
            a.Label(ref even);
            a.jmp(loop);
        });
        machine.Cpu.SetState(machine.State);

        VcpuStop stop = machine.Engine.Run(6 + budget); // behind the first round, in which it is not taken

        ulong[] places = [0, 3, 6, 10, 0, 3, 6, 8];
        machine.Cpu.GetState(out X86CpuState state);
        Assert.Equal((VcpuStop.BudgetSpent, start + places[budget]), (stop, state.Rip));
    }

    /// <summary>The accesses on both sides of the jump share a check, and only the one that is not executed would fault.</summary>
    [Fact]
    public void Access_BehindTheJumpInAPageThatIsNotThere_FaultsOnlyWhereItIsExecuted()
    {
        SystemMachine machine = Create();
        machine.ChangePte(Here + Page, set: 0, clear: 1);
        machine.Quad(Here + Page - 8) = 5;
        machine.State.Gprs[Gpr.Rbx] = Here + Page - 8;
        machine.State.Gprs[Gpr.Rcx] = 0;

        machine.Start(a =>
        {
            Label end = a.CreateLabel();
            a.mov(rax, __qword_ptr[rbx]);
            a.test(rcx, rcx);
            a.jz(end);
            a.add(rax, __qword_ptr[rbx + 8]);
            a.Label(ref end);
            a.nop();
        });

        machine.AssertNoEvent();
        Assert.Equal(5UL, machine.State.Gprs[Gpr.Rax]);
    }

    /// <summary>The way that is not taken uses vectors, which the other one has no need of.</summary>
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0x77)]
    public void Vectors_BehindTheJump_AreReady(ulong taken, ulong expected)
    {
        SystemMachine machine = Create();
        machine.State.Gprs[Gpr.Rax] = 0;
        machine.State.Gprs[Gpr.Rcx] = taken;
        machine.Quad(Here) = 0x77;
        machine.Cpu.Context->State.Cr4 |= Cr4.OSFXSR;
        machine.State.Cr4 |= Cr4.OSFXSR;

        machine.Start(a =>
        {
            Label end = a.CreateLabel();
            a.test(rcx, rcx);
            a.jz(end);
            a.movq(xmm1, __qword_ptr[rbx]);
            a.movq(rax, xmm1);
            a.Label(ref end);
            a.nop();
        });

        Assert.Equal(expected, machine.State.Gprs[Gpr.Rax]);
    }

    private SystemMachine Create(bool counting = false)
    {
        TranslatorOptions options = new() { CountInstructions = counting, IsOnlyProcessor = true };
        SystemMachine machine = new(GuestMode.Long, cpl: 0, createEngine: wiring => new Translator(wiring, options));
        machine.State.Gprs[Gpr.Rbx] = Here;
        _machines.Add(machine);
        return machine;
    }
}
