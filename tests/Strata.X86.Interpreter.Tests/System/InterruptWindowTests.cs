using Strata.Core.Execution;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>
/// When interrupts and NMIs are taken: shadows, HLT, NMI blocking. Intel SDM Vol. 3A, "Enabling and Disabling Interrupts".
/// </summary>
public sealed unsafe class InterruptWindowTests
{
    private const byte Vector = 0x40;
    private const ulong Next = SystemMachine.Code;

    [Fact]
    public void Interrupt_FlagClear_Waits()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.Apic.Vector = Vector;

        machine.Start(a => a.nop());

        machine.AssertNoEvent();
        Assert.Equal(Vector, machine.Apic.Vector);
    }

    [Fact]
    public void Sti_PendingInterrupt_WaitsForTheFollowingInstruction()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.Apic.Vector = Vector;

        machine.Start(a =>
        {
            a.sti();
            a.nop();
            a.nop();
        });

        machine.AssertEvent((ExceptionVector)Vector, null, Next + 2);
    }

    [Fact]
    public void StiThenCli_PendingInterrupt_IsNeverTaken()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.Apic.Vector = Vector;

        machine.Start(a =>
        {
            a.sti();
            a.cli();
        });

        machine.AssertNoEvent();
    }

    [Fact]
    public void StiThenHlt_PendingInterrupt_WakesBehindHlt()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.Apic.Vector = Vector;

        machine.Start(a =>
        {
            a.sti();
            a.hlt();
        });

        machine.AssertEvent((ExceptionVector)Vector, null, Next + 2);
    }

    [Fact]
    public void Sti_FlagAlreadySet_HasNoShadow()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Rflags |= RFlags.IF;
        machine.Apic.Vector = Vector;

        machine.Start(a =>
        {
            a.sti();
            a.nop();
        });

        machine.AssertEvent((ExceptionVector)Vector, null, Next);
    }

    [Theory]
    [InlineData(new byte[] { 0x90 }, 1UL)] // NOP: no shadow
    [InlineData(new byte[] { 0x8E, 0xD0 }, 3UL)] // MOV SS, AX
    [InlineData(new byte[] { 0x17 }, 2UL)] // POP SS
    public void LoadSs_PendingInterrupt_WaitsForTheFollowingInstruction(byte[] first, ulong taken)
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.State.Gprs[Gpr.Rax] = Selector.Data;
        machine.State.Gprs[Gpr.Rsp] -= 4;
        machine.Dword(SystemMachine.Stack - 4) = Selector.Data;
        machine.Apic.Vector = Vector;
        machine.State.Shadow = InterruptShadow.Sti; // the first instruction is itself the one behind STI
        machine.State.Rflags |= RFlags.IF;

        machine.Start(a =>
        {
            a.db(first);
            a.nop();
            a.nop();
        });

        machine.AssertEvent((ExceptionVector)Vector, null, Next + taken);
    }

    [Fact]
    public void Halt_Nmi_WakesEvenWithInterruptsOff()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.Start(a => a.nop());
        machine.AssertNoEvent();

        machine.Cpu.PostNmi();
        machine.Continue();

        machine.AssertEvent(ExceptionVector.Nmi, null, Next + 2);
        Assert.Equal(1, machine.State.NmiBlocked);
    }

    [Fact]
    public void Halt_InterruptWithFlagClear_DoesNotWake()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.Start(a => a.nop());

        machine.Apic.Vector = Vector;
        machine.Continue();

        Assert.Equal(VcpuStop.Halted, machine.Stop);
        Assert.Equal(Next + 2, machine.State.Rip);
    }

    [Fact]
    public void Nmi_WhileBlocked_WaitsForIret()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.NmiPending = 1;
        ulong handler = SystemMachine.Code + 0x1000; // not one of the halting handlers
        machine.SetGate((int)ExceptionVector.Nmi, handler, Selector.Code64);
        machine.Place(handler, a =>
        {
            a.inc(ebp);
            a.cmp(ebp, 2);
            a.hlt();
            a.iretq();
        });

        machine.Start(a => a.nop());
        ulong first = machine.State.Rip;
        machine.Cpu.PostNmi();
        machine.Continue();

        Assert.Equal(handler + 6, first);
        Assert.Equal((handler + 6, 1UL), (machine.State.Rip, machine.State.Gprs[Gpr.Rbp]));
        Assert.Equal(1, machine.State.NmiPending);
    }

    [Fact]
    public void NmiAndInterrupt_BothPending_NmiIsFirst()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Rflags |= RFlags.IF;
        machine.State.NmiPending = 1;
        machine.Apic.Vector = Vector;

        machine.Start(a => a.nop());

        machine.AssertEvent(ExceptionVector.Nmi, null, Next);
        Assert.Equal(Vector, machine.Apic.Vector);
    }
}
