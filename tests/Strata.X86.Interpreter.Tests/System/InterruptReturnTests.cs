using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>IRET between privileges and modes. Intel SDM Vol. 2A, "IRET/IRETD/IRETQ".</summary>
public sealed unsafe class InterruptReturnTests
{
    private const ulong Target = 0x9000;
    private const ulong UserTarget = SystemMachine.UserCode + 0x1000;
    private const ulong AllFlags = 0x3F7FD7 & ~(RFlags.VM | RFlags.TF | RFlags.NT | RFlags.RF);

    [Fact]
    public void Iretd_SamePrivilege_LeavesStackBehindThreeDwords()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        PushDwords(machine, (uint)Target, Selector.Code32, 2 | (uint)RFlags.CF | (uint)RFlags.IF);
        ulong end = machine.PlaceBytes(Target, [0x90]);

        machine.Start(a => a.iretd());

        machine.AssertNoEvent();
        Assert.Equal(end + 1, machine.State.Rip);
        Assert.Equal(SystemMachine.Stack, machine.State.Gprs[Gpr.Rsp]);
        Assert.Equal(2 | RFlags.CF | RFlags.IF, machine.State.Rflags);
    }

    [Fact]
    public void Iret_SixteenBit_KeepsUpperFlagsAndTruncatesIp()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.State.Rflags |= RFlags.AC | RFlags.ID;
        machine.State.Gprs[Gpr.Rsp] = SystemMachine.Stack - 6;
        machine.Word(SystemMachine.Stack - 6) = (ushort)Target;
        machine.Word(SystemMachine.Stack - 4) = Selector.Code32;
        machine.Word(SystemMachine.Stack - 2) = 2 | (ushort)RFlags.ZF;
        machine.PlaceBytes(Target, [0x90]);

        machine.Start(a => a.iret());

        Assert.Equal(Target + 2, machine.State.Rip);
        Assert.Equal(2 | RFlags.ZF | RFlags.AC | RFlags.ID, machine.State.Rflags);
    }

    [Fact]
    public void Iretd_ToUser_LoadsStackAndClearsInnerDataSegments()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.State.Es = machine.SegmentOf(Selector.UserData);
        machine.State.Es.Selector = Selector.UserData;
        machine.State.Ds.Selector = Selector.Data;
        machine.State.Fs = machine.SegmentOf(Selector.ConformingCode32);
        machine.State.Fs.Selector = Selector.ConformingCode32;
        PushDwords(machine, (uint)UserTarget, Selector.UserCode32, 2, (uint)SystemMachine.UserStack, Selector.UserData);
        machine.PlaceBytes(UserTarget, [0x0F, 0x0B]);

        machine.Start(a => a.iretd());

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, UserTarget);
        Assert.Equal(
            (Selector.UserCode32, Selector.UserData, SystemMachine.UserStack), (machine.Frame.Cs, machine.Frame.Ss, machine.Frame.Rsp));
        Assert.Equal(Selector.UserData, machine.State.Es.Selector);
        Assert.Equal(0, machine.State.Ds.Selector);
        Assert.Equal(Selector.ConformingCode32, machine.State.Fs.Selector);
        Assert.False(machine.State.Ds.IsUsable);
    }

    [Theory]
    [InlineData(0, 0UL, AllFlags)]
    [InlineData(3, 0UL, AllFlags & ~(RFlags.IF | RFlags.IOPL | RFlags.VIF | RFlags.VIP))]
    [InlineData(3, RFlags.IOPL, AllFlags & ~(RFlags.VIF | RFlags.VIP))]
    public void Iretq_Flags_WritableAsPrivilegeAllows(int cpl, ulong before, ulong writable)
    {
        using SystemMachine machine = new(GuestMode.Long, cpl);
        machine.State.Rflags |= before;
        ulong target = cpl == 3 ? UserTarget : Target;
        ulong stack = cpl == 3 ? SystemMachine.UserStack : SystemMachine.Stack;
        PushQuads(
            machine, target, cpl == 3 ? Selector.UserCode64 : Selector.Code64, AllFlags, stack,
            cpl == 3 ? Selector.UserData : Selector.Data);
        machine.PlaceBytes(target, [0x0F, 0x0B]);

        machine.Start(a => a.iretq());

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, target);
        Assert.Equal(writable | before | 2 | RFlags.RF, machine.Frame.Rflags);
    }

    [Fact]
    public void Iretq_SamePrivilege_PopsStackPointerToo()
    {
        using SystemMachine machine = new(GuestMode.Long);
        PushQuads(machine, Target, Selector.Code64, 2, 0xA123, Selector.Data);
        machine.PlaceBytes(Target, [0x90]);

        machine.Start(a => a.iretq());

        Assert.Equal((Target + 2, 0xA123UL), (machine.State.Rip, machine.State.Gprs[Gpr.Rsp]));
    }

    [Theory]
    [InlineData(Selector.Code64, 0, -1, 0u)]
    [InlineData(Selector.Code64, 3, (int)ExceptionVector.GeneralProtection, 0u)]
    [InlineData(Selector.Code32, 0, (int)ExceptionVector.GeneralProtection, 0u)]
    [InlineData(Selector.UserCode64, 3, (int)ExceptionVector.GeneralProtection, 0u)]
    [InlineData(Selector.UserCode64, Selector.Data, (int)ExceptionVector.GeneralProtection, (uint)Selector.Data)]
    [InlineData(Selector.Code64, Selector.UserData, (int)ExceptionVector.GeneralProtection, 0x20u)]
    [InlineData(Selector.Code64, Selector.AbsentData, (int)ExceptionVector.StackFault, (uint)Selector.AbsentData)]
    [InlineData(Selector.Code64, Selector.ReadOnlyData, (int)ExceptionVector.GeneralProtection, (uint)Selector.ReadOnlyData)]
    public void Iretq_StackSelector_IsChecked(int cs, int ss, int vector, uint error)
    {
        using SystemMachine machine = new(GuestMode.Long);
        PushQuads(machine, Target, (ulong)cs, 2, SystemMachine.Stack, (ulong)ss);
        machine.PlaceBytes(Target, [0x90]);

        machine.Start(a => a.iretq());

        Assert.Equal((vector, vector < 0 ? null : error), (machine.Vector, machine.Frame.ErrorCode));
        Assert.Equal(vector < 0 ? 0 : SystemMachine.Code, machine.Frame.Rip);
    }

    [Theory]
    [InlineData(0, ExceptionVector.GeneralProtection, 0u)]
    [InlineData(Selector.Data, ExceptionVector.GeneralProtection, (uint)Selector.Data)]
    [InlineData(0x1000, ExceptionVector.GeneralProtection, 0x1000u)]
    [InlineData(Selector.UserCode64 & ~3, ExceptionVector.GeneralProtection, 0x28u)]
    [InlineData(Selector.Code64 | 3, ExceptionVector.GeneralProtection, (uint)Selector.Code64)]
    [InlineData(Selector.AbsentCode32, ExceptionVector.SegmentNotPresent, (uint)Selector.AbsentCode32)]
    public void Iretq_CodeSelector_IsChecked(int cs, ExceptionVector vector, uint error)
    {
        using SystemMachine machine = new(GuestMode.Long);
        PushQuads(machine, Target, (ulong)cs, 2, SystemMachine.Stack, Selector.Data);

        machine.Start(a => a.iretq());

        machine.AssertFault(vector, error);
        Assert.Equal(SystemMachine.Stack - 40, machine.Frame.Rsp);
    }

    [Fact]
    public void Iretq_NonCanonicalRip_FaultsBeforeTheReturn()
    {
        using SystemMachine machine = new(GuestMode.Long);
        PushQuads(machine, 0x0000_8000_0000_0000, Selector.UserCode64, 2, SystemMachine.UserStack, Selector.UserData);

        machine.Start(a => a.iretq());

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
        Assert.Equal(Selector.Code64, machine.Frame.Cs);
    }

    [Fact]
    public void Iretq_ToCompatibility_RunsThirtyTwoBitCode()
    {
        using SystemMachine machine = new(GuestMode.Long);
        PushQuads(machine, UserTarget, Selector.UserCode32, 2, 0x1_0004_C000, Selector.UserData);
        machine.PlaceBytes(UserTarget, [0x40, 0x0F, 0x0B]); // INC EAX here, a REX prefix in 64-bit mode

        machine.Start(a => a.iretq());

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, UserTarget + 1);
        Assert.Equal(1UL, machine.State.Gprs[Gpr.Rax]);
        Assert.Equal(SystemMachine.UserStack, machine.Frame.Rsp);
        Assert.Equal(Selector.UserCode32, machine.Frame.Cs);
    }

    [Theory]
    [InlineData(GuestMode.Long)]
    [InlineData(GuestMode.Compatibility)]
    public void Iret_NestedTaskInLongMode_IsGeneralProtection(GuestMode mode)
    {
        using SystemMachine machine = new(mode);
        machine.State.Rflags |= RFlags.NT;

        machine.Start(a =>
        {
            if (mode == GuestMode.Long)
            {
                a.iretq();
            }
            else
            {
                a.iretd();
            }
        });

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
        Assert.NotEqual(0UL, machine.Frame.Rflags & RFlags.NT);
    }

    [Fact]
    public void Iretd_OffsetBeyondLimit_IsGeneralProtection()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.SetDescriptor(Selector.Free, 0, 0x8FFF, SystemMachine.CodeAccess, 4);
        PushDwords(machine, 0x9000, Selector.Free, 2);

        machine.Start(a => a.iretd());

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
    }

    [Fact]
    public void Iretd_VirtualFlag_EntersVirtual8086Mode()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        PushDwords(
            machine, 0x10, 0x4100, 2 | (uint)(RFlags.VM | RFlags.IF | RFlags.IOPL), 0xABCD_0FF0, 0x4200, 0x4300, 0x4400, 0x4500, 0x4600);
        machine.PlaceBytes(0x41010, [0x0F, 0x0B]);

        machine.Start(a => a.iretd());

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, 0x10);
        Assert.Equal((0x4100, 0x4200, 0xABCD_0FF0UL), (machine.Frame.Cs, machine.Frame.Ss, machine.Frame.Rsp));
        Assert.Equal(2 | RFlags.VM | RFlags.IF | RFlags.IOPL | RFlags.RF, machine.Frame.Rflags);
        ulong frame = machine.State.Gprs[Gpr.Rsp];
        Assert.Equal(SystemMachine.InnerStack - 36, frame);
        Assert.Equal((0x4300u, 0x4400u, 0x4500u, 0x4600u),
            (machine.Dword(frame + 20), machine.Dword(frame + 24), machine.Dword(frame + 28), machine.Dword(frame + 32)));
        Assert.Equal(
            (0, 0, 0, 0), (machine.State.Es.Selector, machine.State.Ds.Selector, machine.State.Fs.Selector, machine.State.Gs.Selector));
    }

    [Fact]
    public void Iretd_VirtualFlagAtCplThree_IsIgnored()
    {
        using SystemMachine machine = new(GuestMode.Protected32, 3);
        PushDwords(machine, (uint)UserTarget, Selector.UserCode32, 2 | (uint)RFlags.VM);
        machine.PlaceBytes(UserTarget, [0x0F, 0x0B]);

        machine.Start(a => a.iretd());

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, UserTarget);
        Assert.Equal(2 | RFlags.RF, machine.Frame.Rflags);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Iretq_AfterNmi_UnblocksNmisEvenIfItFaults(bool faults)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.NmiBlocked = 1;
        machine.State.NmiPending = 1;
        PushQuads(machine, Target, faults ? 0x1000UL : Selector.Code64, 2, SystemMachine.Stack, Selector.Data);
        machine.PlaceBytes(Target, [0x90]);

        machine.Start(a => a.iretq());

        Assert.Equal((int)ExceptionVector.Nmi, machine.Vector);
        Assert.Equal(faults ? SystemMachine.Handlers + 0xD0 : Target, machine.Frame.Rip);
    }

    [Fact]
    public void Iret_RealMode_RestoresAllSixteenFlags()
    {
        using SystemMachine machine = new(GuestMode.Real);
        machine.State.Gprs[Gpr.Rsp] = SystemMachine.Stack - 6;
        machine.Word(SystemMachine.Stack - 6) = 0x0004;
        machine.Word(SystemMachine.Stack - 4) = 0x0900;
        machine.Word(SystemMachine.Stack - 2) = (ushort)(RFlags.IOPL | RFlags.NT | RFlags.IF | RFlags.OF);
        machine.PlaceBytes(0x9004, [0x90]);

        machine.Start(a => a.iret());

        Assert.Equal((6UL, 0x900), (machine.State.Rip, machine.State.Cs.Selector));
        Assert.Equal(2 | RFlags.IOPL | RFlags.NT | RFlags.IF | RFlags.OF, machine.State.Rflags);
    }

    private static void PushDwords(SystemMachine machine, params uint[] values)
    {
        machine.State.Gprs[Gpr.Rsp] -= (ulong)values.Length * 4;
        for (int i = 0; i < values.Length; i++)
        {
            machine.Dword(machine.State.Gprs[Gpr.Rsp] + ((ulong)i * 4)) = values[i];
        }
    }

    private static void PushQuads(SystemMachine machine, params ulong[] values)
    {
        machine.State.Gprs[Gpr.Rsp] -= (ulong)values.Length * 8;
        for (int i = 0; i < values.Length; i++)
        {
            machine.Quad(machine.State.Gprs[Gpr.Rsp] + ((ulong)i * 8)) = values[i];
        }
    }
}
