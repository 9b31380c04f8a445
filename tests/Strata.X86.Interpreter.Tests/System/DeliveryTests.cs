using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>
/// Gates, stacks and flags of event delivery. Intel SDM Vol. 3A, "Exception and Interrupt Handling in 64-Bit Mode" and Vol. 2A, "INT n".
/// </summary>
public sealed unsafe class DeliveryTests
{
    private const int Vector = 0x80;
    private const ulong Handler = SystemMachine.Handlers + (Vector * 16);
    private const uint GateError = (Vector * 8) + 2;

    [Theory]
    [InlineData(GuestMode.Protected32, 0xEu, 0UL)]
    [InlineData(GuestMode.Protected32, 0xFu, RFlags.IF)]
    [InlineData(GuestMode.Long, 0xEu, 0UL)]
    [InlineData(GuestMode.Long, 0xFu, RFlags.IF)]
    public void SoftwareInterrupt_GateType_DecidesInterruptFlag(GuestMode mode, uint type, ulong enabled)
    {
        using SystemMachine machine = new(mode);
        machine.SetGate(Vector, Handler, mode == GuestMode.Long ? Selector.Code64 : Selector.Code32, type);
        machine.State.Rflags |= RFlags.IF | RFlags.NT | RFlags.AC | RFlags.DF | RFlags.CF;

        machine.Start(a => a.@int(Vector));

        machine.AssertEvent((ExceptionVector)Vector, null, SystemMachine.Code + 2);
        Assert.Equal(2 | RFlags.IF | RFlags.NT | RFlags.AC | RFlags.DF | RFlags.CF, machine.Frame.Rflags);
        Assert.Equal(2 | RFlags.AC | RFlags.DF | RFlags.CF | enabled, machine.State.Rflags);
    }

    [Theory]
    [InlineData(GuestMode.Protected32, ExceptionVector.GeneralProtection, 0u)]
    [InlineData(GuestMode.Protected32, (ExceptionVector)Vector, 3u)]
    [InlineData(GuestMode.Long, ExceptionVector.GeneralProtection, 2u)]
    [InlineData(GuestMode.Long, (ExceptionVector)Vector, 3u)]
    [InlineData(GuestMode.Compatibility, ExceptionVector.GeneralProtection, 0u)]
    [InlineData(GuestMode.Compatibility, (ExceptionVector)Vector, 3u)]
    public void SoftwareInterrupt_FromUser_NeedsGateDplThree(GuestMode mode, ExceptionVector reached, uint dpl)
    {
        using SystemMachine machine = new(mode, 3);
        machine.SetGate(Vector, Handler, mode == GuestMode.Protected32 ? Selector.Code32 : Selector.Code64, dpl: dpl);
        bool refused = reached == ExceptionVector.GeneralProtection;

        machine.Start(a => a.@int(Vector));

        machine.AssertEvent(reached, refused ? GateError : null, SystemMachine.UserCode + (refused ? 0u : 2u));
    }

    [Theory]
    [InlineData(GuestMode.Protected32)]
    [InlineData(GuestMode.Long)]
    public void ExternalInterrupt_FromUser_IgnoresGateDpl(GuestMode mode)
    {
        using SystemMachine machine = new(mode, 3);
        machine.State.Rflags |= RFlags.IF;
        machine.Apic.Vector = Vector;

        machine.Start(a => a.nop());

        machine.AssertEvent((ExceptionVector)Vector, null, SystemMachine.UserCode);
    }

    [Theory]
    [InlineData(GuestMode.Protected32)]
    [InlineData(GuestMode.Long)]
    public void SoftwareInterrupt_GateNotPresent_IsSegmentNotPresent(GuestMode mode)
    {
        using SystemMachine machine = new(mode);
        machine.SetGate(Vector, Handler, mode == GuestMode.Long ? Selector.Code64 : Selector.Code32, present: false);

        machine.Start(a => a.@int(Vector));

        machine.AssertEvent(ExceptionVector.SegmentNotPresent, GateError, SystemMachine.Code);
    }

    [Theory]
    [InlineData(GuestMode.Protected32, 0xCu)]
    [InlineData(GuestMode.Protected32, 0x9u)]
    [InlineData(GuestMode.Protected32, 0x0u)]
    [InlineData(GuestMode.Protected32, 0x1Eu)]
    [InlineData(GuestMode.Long, 0x5u)]
    [InlineData(GuestMode.Long, 0x6u)]
    [InlineData(GuestMode.Long, 0x7u)]
    [InlineData(GuestMode.Long, 0xCu)]
    public void SoftwareInterrupt_NotAGate_IsGeneralProtection(GuestMode mode, uint type)
    {
        using SystemMachine machine = new(mode);
        machine.SetGate(Vector, Handler, mode == GuestMode.Long ? Selector.Code64 : Selector.Code32, type);

        machine.Start(a => a.@int(Vector));

        machine.AssertEvent(ExceptionVector.GeneralProtection, GateError, SystemMachine.Code);
    }

    [Theory]
    [InlineData(GuestMode.Protected32, (Vector * 8) + 6)]
    [InlineData(GuestMode.Long, (Vector * 16) + 14)]
    public void SoftwareInterrupt_BeyondIdtLimit_IsGeneralProtection(GuestMode mode, int limit)
    {
        using SystemMachine machine = new(mode);
        machine.State.Idtr.Limit = (uint)limit;

        machine.Start(a => a.@int(Vector));

        machine.AssertEvent(ExceptionVector.GeneralProtection, GateError, SystemMachine.Code);
    }

    [Theory]
    [InlineData(GuestMode.Protected32, 0, ExceptionVector.GeneralProtection, 0u)]
    [InlineData(GuestMode.Protected32, 3, ExceptionVector.GeneralProtection, 0u)]
    [InlineData(GuestMode.Protected32, Selector.Data, ExceptionVector.GeneralProtection, (uint)Selector.Data)]
    [InlineData(GuestMode.Protected32, 0x1000, ExceptionVector.GeneralProtection, 0x1000u)]
    [InlineData(GuestMode.Protected32, Selector.UserCode32, ExceptionVector.GeneralProtection, 0x30u)]
    [InlineData(GuestMode.Protected32, Selector.AbsentCode32, ExceptionVector.SegmentNotPresent, (uint)Selector.AbsentCode32)]
    [InlineData(GuestMode.Long, Selector.Code32, ExceptionVector.GeneralProtection, (uint)Selector.Code32)]
    [InlineData(GuestMode.Long, Selector.UserCode64, ExceptionVector.GeneralProtection, 0x28u)]
    [InlineData(GuestMode.Long, 0, ExceptionVector.GeneralProtection, 0u)]
    public void SoftwareInterrupt_BadHandlerCode_FaultsWithItsSelector(GuestMode mode, int code, ExceptionVector vector, uint error)
    {
        using SystemMachine machine = new(mode);
        machine.SetGate(Vector, Handler, (ushort)code);

        machine.Start(a => a.@int(Vector));

        machine.AssertEvent(vector, error, SystemMachine.Code);
    }

    [Theory]
    [InlineData(GuestMode.Protected32, Selector.UserCode32, Selector.Data)]
    [InlineData(GuestMode.Long, Selector.UserCode64, 0)]
    [InlineData(GuestMode.Compatibility, Selector.UserCode32, 0)]
    public void Fault_FromUser_SwitchesToTssStackAndSavesOuterOne(GuestMode mode, int cs, int innerSs)
    {
        using SystemMachine machine = new(mode, 3);

        machine.Start(a => a.ud2());

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, SystemMachine.UserCode);
        Assert.Equal((ushort)cs, machine.Frame.Cs);
        Assert.Equal((SystemMachine.UserStack, Selector.UserData), (machine.Frame.Rsp, machine.Frame.Ss));
        Assert.Equal((ushort)innerSs, machine.State.Ss.Selector);
        Assert.Equal(SystemMachine.InnerStack - (mode == GuestMode.Protected32 ? 20u : 40u), machine.State.Gprs[Gpr.Rsp]);
        Assert.Equal(Selector.UserData, machine.State.Ds.Selector);
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(8UL)]
    [InlineData(15UL)]
    public void Fault_LongModeSamePrivilege_AlignsStackAndSavesSsRsp(ulong skew)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Gprs[Gpr.Rsp] = SystemMachine.Stack - skew;

        machine.Start(a => a.ud2());

        Assert.Equal(((SystemMachine.Stack - skew) & ~15UL) - 40, machine.State.Gprs[Gpr.Rsp]);
        Assert.Equal((SystemMachine.Stack - skew, Selector.Data), (machine.Frame.Rsp, machine.Frame.Ss));
        Assert.Equal(Selector.Data, machine.State.Ss.Selector);
    }

    [Theory]
    [InlineData(0, 1u, 36u)]
    [InlineData(3, 7u, 84u)]
    public void Fault_InterruptStackTable_ReplacesStackAtAnyPrivilege(int cpl, uint ist, uint offset)
    {
        using SystemMachine machine = new(GuestMode.Long, cpl);
        machine.Quad(SystemMachine.Tss + offset) = SystemMachine.InnerStack - 0x805;
        machine.SetGate((int)ExceptionVector.GeneralProtection, SystemMachine.Handlers + 0xD0, Selector.Code64, ist: ist);
        machine.State.Gprs[Gpr.Rax] = 0xFFF8;

        machine.Start(a => a.mov(es, ax));

        Assert.Equal(SystemMachine.InnerStack - 0x810 - 48, machine.State.Gprs[Gpr.Rsp]);
        Assert.Equal(0xFFF8u, machine.Frame.ErrorCode);
        Assert.Equal(cpl == 3 ? SystemMachine.UserStack : SystemMachine.Stack, machine.Frame.Rsp);
        Assert.Equal(cpl == 3 ? 0 : Selector.Data, machine.State.Ss.Selector);
    }

    [Theory]
    [InlineData(false, ExceptionVector.InvalidTss, 0x48u)]
    [InlineData(true, ExceptionVector.InvalidTss, 0x49u)]
    public void Delivery_TssTooShort_IsInvalidTssWithTaskRegister(bool external, ExceptionVector vector, uint error)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.SetGate(Vector, Handler, Selector.Code64, ist: 7);
        machine.State.Tr.Limit = 84;
        machine.State.Rflags |= RFlags.IF;
        machine.Apic.Vector = external ? (byte)Vector : null;

        machine.Start(a => a.@int(Vector));

        machine.AssertEvent(vector, error, SystemMachine.Code);
    }

    [Theory]
    [InlineData(false, 0u)]
    [InlineData(true, 1u)]
    public void Delivery_InterruptStackNotCanonical_IsStackFault(bool external, uint error)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.SetGate(Vector, Handler, Selector.Code64, ist: 1);
        machine.Quad(SystemMachine.Tss + 36) = 0x8000_0000_0000_0000;
        machine.State.Rflags |= RFlags.IF;
        machine.Apic.Vector = external ? (byte)Vector : null;

        machine.Start(a => a.@int(Vector));

        machine.AssertEvent(ExceptionVector.StackFault, error, SystemMachine.Code);
    }

    [Theory]
    [InlineData(0, ExceptionVector.InvalidTss, 0u)]
    [InlineData(Selector.UserData, ExceptionVector.InvalidTss, 0x20u)]
    [InlineData(Selector.Data | 3, ExceptionVector.InvalidTss, (uint)Selector.Data)]
    [InlineData(Selector.Code32, ExceptionVector.InvalidTss, (uint)Selector.Code32)]
    [InlineData(Selector.ReadOnlyData, ExceptionVector.InvalidTss, (uint)Selector.ReadOnlyData)]
    [InlineData(0x1000, ExceptionVector.InvalidTss, 0x1000u)]
    [InlineData(Selector.AbsentData | 1, ExceptionVector.StackFault, (uint)Selector.AbsentData)]
    public void Delivery_BadInnerStackSegment_FaultsWithItsSelector(int ss, ExceptionVector vector, uint error)
    {
        using SystemMachine machine = new(GuestMode.Protected32, 3);
        machine.SetGate(Vector, Handler, Selector.Ring1Code32, dpl: 3);
        machine.SetDescriptor(Selector.AbsentData, 0, 0xFFFFF, 0x33, SystemMachine.Flags32); // DPL 1
        machine.Dword(SystemMachine.Tss + 12) = 0xF000;
        machine.Dword(SystemMachine.Tss + 16) = (uint)ss;

        machine.Start(a => a.@int(Vector));

        machine.AssertEvent(vector, error, SystemMachine.UserCode);
        Assert.Equal(Selector.UserData, machine.Frame.Ss);
    }

    [Fact]
    public void Delivery_ToRingOne_UsesItsStack()
    {
        using SystemMachine machine = new(GuestMode.Protected32, 3);
        ulong end = machine.Place(0x9000, a => a.hlt()); // privileged: #GP with the ring-1 frame
        machine.SetGate(Vector, 0x9000, Selector.Ring1Code32, dpl: 3);
        machine.Dword(SystemMachine.Tss + 12) = 0xF000;
        machine.Dword(SystemMachine.Tss + 16) = Selector.Ring1Data;

        machine.Start(a => a.@int(Vector));

        machine.AssertEvent(ExceptionVector.GeneralProtection, 0, end - 1);
        Assert.Equal((Selector.Ring1Code32, Selector.Ring1Data, 0xF000UL - 20), (machine.Frame.Cs, machine.Frame.Ss, machine.Frame.Rsp));
        Assert.Equal((uint)SystemMachine.UserCode + 2, machine.Dword(0xF000 - 20));
        Assert.Equal(Selector.UserCode32, machine.Word(0xF000 - 16));
        Assert.Equal(Selector.UserData, machine.Word(0xF000 - 4));
    }

    [Theory]
    [InlineData(true, 0u)]
    [InlineData(false, 1u)]
    public void Delivery_SameStackTooSmall_IsStackFaultWithExternalBit(bool software, uint error)
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.State.Ss.Limit = (uint)SystemMachine.Stack - 8;
        UseTaskGateForStackFault(machine);

        machine.Start(a =>
        {
            if (software)
            {
                a.@int(Vector);
            }
            else
            {
                a.ud2();
            }
        });

        machine.AssertNoEvent();
        Assert.Equal(error, machine.Dword(machine.State.Gprs[Gpr.Rsp]));
        Assert.Equal((uint)SystemMachine.Code, machine.Dword(SystemMachine.Tss + 32)); // EIP of the outgoing task
    }

    [Theory]
    [InlineData(true, 0x10u)]
    [InlineData(false, 0x11u)]
    public void Delivery_InnerStackTooSmall_IsStackFaultWithItsSelector(bool software, uint error)
    {
        using SystemMachine machine = new(GuestMode.Protected32, 3);
        machine.SetDescriptor(Selector.Data, 0, 0x4, SystemMachine.DataAccess, SystemMachine.Flags32); // limit 4FFFH, far below RSP0
        machine.SetDescriptor(Selector.Free + 8, 0, 0xFFFFF, SystemMachine.DataAccess, SystemMachine.Flags32);
        machine.SetGate(Vector, Handler, Selector.Code32, dpl: 3);
        UseTaskGateForStackFault(machine, Selector.Free + 8);

        machine.Start(a =>
        {
            if (software)
            {
                a.@int(Vector);
            }
            else
            {
                a.ud2();
            }
        });

        machine.AssertNoEvent();
        Assert.Equal(error, machine.Dword(machine.State.Gprs[Gpr.Rsp]));
    }

    /// <summary>#SS enters a task of its own, as it must where the current stack is of no use.</summary>
    private static void UseTaskGateForStackFault(SystemMachine machine, ushort stack = Selector.Data)
    {
        machine.SetDescriptor(Selector.Free, (uint)SystemMachine.OtherTss, 0x67, 0x89, 0);
        machine.SetGate((int)ExceptionVector.StackFault, 0, Selector.Free, type: 5);
        machine.Dword(SystemMachine.OtherTss + 32) = 0x9000;
        machine.Dword(SystemMachine.OtherTss + 36) = 2;
        machine.Dword(SystemMachine.OtherTss + 56) = 0xF000;
        machine.Dword(SystemMachine.OtherTss + 76) = Selector.Code32;
        machine.Dword(SystemMachine.OtherTss + 80) = stack;
        machine.PlaceBytes(0x9000, [0x90]);
    }
}
