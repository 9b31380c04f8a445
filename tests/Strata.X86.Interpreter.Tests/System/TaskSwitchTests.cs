using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>Hardware task switches between 32-bit TSSs. Intel SDM Vol. 3A, "Task Management".</summary>
public sealed unsafe class TaskSwitchTests
{
    private const ushort Other = Selector.Free;
    private const ushort Gate = Selector.Free + 8;
    private const ulong Target = 0x9000;
    private const byte Available = 0x89;
    private const byte Busy = 0x8B;

    [Theory]
    [InlineData(0xEA, Other, Available, false)] // JMP to the TSS
    [InlineData(0xEA, Gate, Available, false)] // JMP to a task gate
    [InlineData(0x9A, Other, Busy, true)] // CALL
    [InlineData(0x9A, Gate, Busy, true)]
    public void Switch_JumpOrCall_SavesAndLoadsState(int opcode, int selector, int oldType, bool nested)
    {
        using SystemMachine machine = Prepare();
        machine.State.Gprs[Gpr.Rcx] = 0x1111;
        machine.State.Rflags |= RFlags.CF;
        machine.PlaceBytes(Target, [0x90]);

        machine.Start(a => a.db((byte)opcode, 0, 0, 0, 0, (byte)selector, 0));

        machine.AssertNoEvent();
        Assert.Equal((Target + 2, 0x2222UL, 0xF000UL), (machine.State.Rip, machine.State.Gprs[Gpr.Rcx], machine.State.Gprs[Gpr.Rsp]));
        Assert.Equal(Other, machine.State.Tr.Selector);
        Assert.NotEqual(0UL, machine.State.Cr0 & Cr0.TS);
        Assert.Equal(2 | RFlags.ZF | (nested ? RFlags.NT : 0), machine.State.Rflags);
        Assert.Equal((oldType, (int)Busy), (*machine.At(SystemMachine.Gdt + Selector.Tss + 5), *machine.At(SystemMachine.Gdt + Other + 5)));
        Assert.Equal((uint)SystemMachine.Code + 7, machine.Dword(SystemMachine.Tss + 32));
        Assert.Equal(2 | (uint)RFlags.CF, machine.Dword(SystemMachine.Tss + 36));
        Assert.Equal(0x1111u, machine.Dword(SystemMachine.Tss + 44));
        Assert.Equal(nested ? Selector.Tss : 0, machine.Word(SystemMachine.OtherTss));
    }

    [Fact]
    public void Iret_NestedTask_GoesBackAndFreesTheTask()
    {
        using SystemMachine machine = Prepare();
        machine.PlaceBytes(Target, [0xB9, 0x55, 0, 0, 0, 0xCF]); // MOV ECX, 55H; IRET

        machine.Start(a =>
        {
            a.mov(ecx, 0x77);
            a.db(0x9A, 0, 0, 0, 0, (byte)Other, 0);
            a.inc(ecx);
        });

        machine.AssertNoEvent();
        Assert.Equal((0x78UL, Selector.Tss), (machine.State.Gprs[Gpr.Rcx], machine.State.Tr.Selector));
        Assert.Equal((Busy, Available), (*machine.At(SystemMachine.Gdt + Selector.Tss + 5), *machine.At(SystemMachine.Gdt + Other + 5)));
        Assert.Equal(2u | (uint)RFlags.ZF, machine.Dword(SystemMachine.OtherTss + 36)); // NT is not saved
        Assert.Equal((uint)Target + 6, machine.Dword(SystemMachine.OtherTss + 32));
        Assert.Equal(0x55u, machine.Dword(SystemMachine.OtherTss + 44));
    }

    [Fact]
    public void Fault_ThroughTaskGate_PushesErrorCodeInNewTask()
    {
        using SystemMachine machine = Prepare();
        machine.SetGate((int)ExceptionVector.GeneralProtection, 0, Other, type: 5);
        machine.State.Gprs[Gpr.Rax] = 0x1F8;
        machine.PlaceBytes(Target, [0x90]);

        machine.Start(a => a.mov(es, eax));

        machine.AssertNoEvent();
        Assert.Equal((0xEFFCUL, 0x1F8u), (machine.State.Gprs[Gpr.Rsp], machine.Dword(0xEFFC)));
        Assert.Equal((uint)SystemMachine.Code, machine.Dword(SystemMachine.Tss + 32));
        Assert.NotEqual(0UL, machine.State.Rflags & RFlags.NT);
    }

    [Fact]
    public void SoftwareInterrupt_ThroughTaskGate_SavesNextAddress()
    {
        using SystemMachine machine = Prepare();
        machine.SetGate(0x80, 0, Other, type: 5);
        machine.PlaceBytes(Target, [0x90]);

        machine.Start(a => a.@int(0x80));

        Assert.Equal((uint)SystemMachine.Code + 2, machine.Dword(SystemMachine.Tss + 32));
        Assert.Equal(0xF000UL, machine.State.Gprs[Gpr.Rsp]);
    }

    [Theory]
    [InlineData(0x67u, 0x8Bu, ExceptionVector.GeneralProtection)] // busy
    [InlineData(0x67u, 0x09u, ExceptionVector.SegmentNotPresent)]
    [InlineData(0x66u, 0x89u, ExceptionVector.InvalidTss)] // limit below 67H
    public void Switch_BadTss_FaultsInOldTask(uint limit, uint access, ExceptionVector vector)
    {
        using SystemMachine machine = Prepare();
        machine.SetDescriptor(Other, (uint)SystemMachine.OtherTss, limit, access, 0);

        machine.Start(a => a.db(0xEA, 0, 0, 0, 0, (byte)Other, 0));

        machine.AssertFault(vector, Other);
        Assert.Equal(Selector.Tss, machine.State.Tr.Selector);
    }

    [Theory]
    [InlineData(76, 0, 0u, ExceptionVector.InvalidTss)] // CS
    [InlineData(76, Selector.Data, (uint)Selector.Data, ExceptionVector.InvalidTss)]
    [InlineData(76, Selector.AbsentCode32, (uint)Selector.AbsentCode32, ExceptionVector.SegmentNotPresent)]
    [InlineData(72, Selector.Tss, (uint)Selector.Tss, ExceptionVector.InvalidTss)] // ES
    [InlineData(84, Selector.AbsentData, (uint)Selector.AbsentData, ExceptionVector.SegmentNotPresent)] // DS
    [InlineData(96, Selector.Data, (uint)Selector.Data, ExceptionVector.InvalidTss)] // LDT
    public void Switch_BadSelectorInNewTss_FaultsInNewTask(int field, int selector, uint error, ExceptionVector vector)
    {
        // The handler runs as a third task: in the new one not every segment is loaded.
        using SystemMachine machine = Prepare();
        const ushort third = Selector.Free + 16;
        const ulong thirdTss = SystemMachine.OtherTss + 0x80;
        FillTss(machine, thirdTss, 0xA000);
        machine.SetDescriptor(third, (uint)thirdTss, 0x67, Available, 0);
        machine.SetGate((int)vector, 0, third, type: 5);
        machine.PlaceBytes(0xA000, [0x90]);
        machine.Word(SystemMachine.OtherTss + (ulong)field) = (ushort)selector;

        machine.Start(a => a.db(0xEA, 0, 0, 0, 0, (byte)Other, 0));

        machine.AssertNoEvent();
        Assert.Equal((third, error), (machine.State.Tr.Selector, machine.Dword(machine.State.Gprs[Gpr.Rsp])));
        Assert.Equal((uint)Target, machine.Dword(SystemMachine.OtherTss + 32));
        Assert.Equal(Other, machine.Word(thirdTss));
    }

    [Fact]
    public void Switch_DebugTrapBit_TrapsBeforeFirstInstruction()
    {
        using SystemMachine machine = Prepare();
        machine.Word(SystemMachine.OtherTss + 100) = 1;

        machine.Start(a => a.db(0xEA, 0, 0, 0, 0, (byte)Other, 0));

        machine.AssertEvent(ExceptionVector.Debug, null, Target);
        Assert.Equal(0xFFFF0FF0UL | (1 << 15), machine.State.Dr6);
    }

    [Fact]
    public void Switch_PagingOn_LoadsCr3()
    {
        using SystemMachine machine = Prepare(GuestPaging.ThirtyTwoBit);
        ulong other = SystemMachine.Tables + 0x9000;
        machine.Dword(other) = machine.Dword(SystemMachine.Tables);
        machine.Dword(SystemMachine.OtherTss + 28) = (uint)other;
        machine.PlaceBytes(Target, [0x90]);

        machine.Start(a => a.db(0xEA, 0, 0, 0, 0, (byte)Other, 0));

        machine.AssertNoEvent();
        Assert.Equal(other, machine.State.Cr3);
    }

    private static SystemMachine Prepare(GuestPaging paging = GuestPaging.Off)
    {
        SystemMachine machine = new(GuestMode.Protected32, 0, paging);
        FillTss(machine, SystemMachine.OtherTss, Target);
        machine.SetDescriptor(Other, (uint)SystemMachine.OtherTss, 0x67, Available, 0);
        machine.SetCallGate(Gate, 0, Other, type: 5);
        return machine;
    }

    private static void FillTss(SystemMachine machine, ulong tss, ulong rip)
    {
        machine.Dword(tss + 28) = (uint)SystemMachine.Tables;
        machine.Dword(tss + 32) = (uint)rip;
        machine.Dword(tss + 36) = 2 | (uint)RFlags.ZF;
        machine.Dword(tss + 44) = 0x2222;
        machine.Dword(tss + 56) = 0xF000;
        machine.Dword(tss + 72) = Selector.Data;
        machine.Dword(tss + 76) = Selector.Code32;
        machine.Dword(tss + 80) = Selector.Data;
        machine.Dword(tss + 84) = Selector.Data;
    }
}
