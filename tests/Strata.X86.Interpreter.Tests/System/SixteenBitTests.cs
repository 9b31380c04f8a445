using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>16-bit gates, TSSs and stacks in protected mode. Intel SDM Vol. 3B, "Mixing 16-Bit and 32-Bit Code".</summary>
public sealed unsafe class SixteenBitTests
{
    private const ushort Tss16 = Selector.Free;
    private const ushort Gate = Selector.Free + 8;

    [Theory]
    [InlineData(0x6u, false)]
    [InlineData(0x7u, true)]
    public void Interrupt_SixteenBitGate_PushesWords(uint type, bool enabled)
    {
        using SystemMachine machine = new(GuestMode.Protected16);
        machine.SetGate(0x21, 0xFFFF_9000, Selector.Code16, type); // the upper half of the offset does not count
        machine.PlaceBytes(0x9000, [0x90]);
        machine.State.Rflags |= RFlags.IF | RFlags.CF;

        machine.Start(a => a.@int(0x21));

        machine.AssertNoEvent();
        Assert.Equal((0x9002UL, SystemMachine.Stack - 6), (machine.State.Rip, machine.State.Gprs[Gpr.Rsp]));
        Assert.Equal(((ushort)(SystemMachine.Code + 2), Selector.Code16, (ushort)0x203),
            (machine.Word(SystemMachine.Stack - 6), machine.Word(SystemMachine.Stack - 4), machine.Word(SystemMachine.Stack - 2)));
        Assert.Equal(enabled, (machine.State.Rflags & RFlags.IF) != 0);
    }

    [Fact]
    public void InterruptAndIret_SixteenBitGate_RoundTrips()
    {
        using SystemMachine machine = new(GuestMode.Protected16);
        machine.SetGate(0x21, 0x9000, Selector.Code16, 6);
        machine.PlaceBytes(0x9000, [0xB9, 0x34, 0x12, 0xCF]); // MOV CX, 1234H; IRET
        machine.State.Rflags |= RFlags.IF;

        machine.Start(a => a.@int(0x21));

        machine.AssertNoEvent();
        Assert.Equal(
            (SystemMachine.Code + 3, 0x1234UL, SystemMachine.Stack),
            (machine.State.Rip, machine.State.Gprs[Gpr.Rcx], machine.State.Gprs[Gpr.Rsp]));
        Assert.Equal(2 | RFlags.IF, machine.State.Rflags);
    }

    [Fact]
    public void FarCall_SixteenBitCallGateToInner_CopiesWords()
    {
        using SystemMachine machine = new(GuestMode.Protected32, 3);
        machine.SetCallGate(Gate, 0x9000, Selector.Code32, parameters: 2, type: 4);
        machine.PlaceBytes(0x9000, [0x90]);
        machine.Dword(SystemMachine.UserStack - 4) = 0x2222_1111;
        machine.State.Gprs[Gpr.Rsp] -= 4;

        machine.Start(a => a.db(0x9A, 0, 0, 0, 0, (byte)(Gate | 3), 0));

        machine.AssertNoEvent();
        Assert.Equal(SystemMachine.InnerStack - 12, machine.State.Gprs[Gpr.Rsp]);
        Assert.Equal((0x7, (int)Selector.UserCode32, 0x1111, 0x2222),
            (machine.Word(SystemMachine.InnerStack - 12), machine.Word(SystemMachine.InnerStack - 10),
             machine.Word(SystemMachine.InnerStack - 8), machine.Word(SystemMachine.InnerStack - 6)));
        Assert.Equal(((ushort)0xBFFC, Selector.UserData),
            (machine.Word(SystemMachine.InnerStack - 4), machine.Word(SystemMachine.InnerStack - 2)));
    }

    [Fact]
    public void Fault_SixteenBitTss_SuppliesInnerStack()
    {
        using SystemMachine machine = new(GuestMode.Protected32, 3);
        machine.SetDescriptor(Tss16, (uint)SystemMachine.OtherTss, 43, 0x83, 0);
        machine.State.Tr = machine.SegmentOf(Tss16);
        machine.Word(SystemMachine.OtherTss + 2) = 0xD000;
        machine.Word(SystemMachine.OtherTss + 4) = Selector.Data;

        machine.Start(a => a.ud2());

        machine.AssertFault(ExceptionVector.InvalidOpcode);
        Assert.Equal(0xD000UL - 20, machine.State.Gprs[Gpr.Rsp]);
    }

    [Fact]
    public void TaskSwitch_ToSixteenBitTss_LoadsWords()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.SetDescriptor(Tss16, (uint)SystemMachine.OtherTss, 43, 0x81, 0);
        ulong tss = SystemMachine.OtherTss;
        machine.Word(tss + 14) = 0x9000;
        machine.Word(tss + 16) = 2 | (ushort)RFlags.ZF;
        machine.Word(tss + 20) = 0x4321; // CX
        machine.Word(tss + 26) = 0xD000; // SP
        machine.Word(tss + 34) = Selector.Data16;
        machine.Word(tss + 36) = Selector.Code16;
        machine.Word(tss + 38) = Selector.Data16;
        machine.Word(tss + 40) = Selector.Data16;
        machine.PlaceBytes(0x9000, [0x90]);

        machine.Start(a => a.db(0xEA, 0, 0, 0, 0, (byte)Tss16, 0));

        machine.AssertNoEvent();
        Assert.Equal((0x9002UL, 0x4321UL, 0xD000UL),
            (machine.State.Rip, machine.State.Gprs[Gpr.Rcx] & 0xFFFF, machine.State.Gprs[Gpr.Rsp] & 0xFFFF));
        Assert.Equal((0, 0, Selector.Data16), (machine.State.Fs.Selector, machine.State.Gs.Selector, machine.State.Ds.Selector));
    }

    [Fact]
    public void Push_SixteenBitStackSegment_KeepsUpperHalfOfEsp()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.State.Ss = machine.SegmentOf(Selector.Data16);
        machine.State.Gprs[Gpr.Rsp] = 0xABCD_0002;

        machine.Start(a => a.db(0x66, 0x50, 0x66, 0x50)); // PUSH AX twice: SP wraps

        machine.AssertNoEvent();
        Assert.Equal(0xABCD_FFFEUL, machine.State.Gprs[Gpr.Rsp]);
    }
}
