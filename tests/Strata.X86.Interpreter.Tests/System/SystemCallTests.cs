using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>SYSCALL, SYSRET, SYSENTER and SYSEXIT. Intel SDM Vol. 2B.</summary>
public sealed unsafe class SystemCallTests
{
    private const ulong Entry = 0x9000;
    private const ulong UserTarget = SystemMachine.UserCode + 0x1000;
    private const ulong NonCanonical = 0x0000_8000_0000_0000;

    [Fact]
    public void Syscall_FromUser_SavesRipAndFlagsAndLoadsFlatSegments()
    {
        using SystemMachine machine = Create(GuestMode.Long, 3);
        machine.State.Rflags |= RFlags.IF | RFlags.CF | RFlags.DF;
        machine.State.Sfmask = RFlags.IF | RFlags.DF;
        machine.PlaceBytes(Entry, [0x90]);

        machine.Start(a => a.syscall());

        machine.AssertNoEvent();
        Assert.Equal(
            (SystemMachine.UserCode + 2, 2 | RFlags.IF | RFlags.CF | RFlags.DF), (machine.State.Gprs[Gpr.Rcx], machine.State.Gprs[11]));
        Assert.Equal((Entry + 2, 2 | RFlags.CF), (machine.State.Rip, machine.State.Rflags));
        Assert.Equal((Selector.Code64, Selector.Data), (machine.State.Cs.Selector, machine.State.Ss.Selector));
        Assert.Equal(SystemMachine.UserStack, machine.State.Gprs[Gpr.Rsp]);
    }

    [Theory]
    [InlineData(GuestMode.Long, 3, false)]
    [InlineData(GuestMode.Compatibility, 3, true)]
    [InlineData(GuestMode.Protected32, 0, true)]
    public void Syscall_DisabledOrOutside64BitMode_IsInvalidOpcode(GuestMode mode, int cpl, bool enabled)
    {
        using SystemMachine machine = Create(mode, cpl);
        machine.State.EferMsr = enabled ? machine.State.EferMsr | Efer.SCE : machine.State.EferMsr & ~Efer.SCE;

        machine.Start(a => a.db(0x0F, 0x05));

        machine.AssertFault(ExceptionVector.InvalidOpcode);
    }

    [Theory]
    [InlineData(true, Selector.UserCode64)]
    [InlineData(false, Selector.Code32 | 3)]
    public void Sysret_ToUser_LoadsSelectorsFromStar(bool wide, int cs)
    {
        using SystemMachine machine = Create(GuestMode.Long, 0);
        machine.State.Gprs[Gpr.Rcx] = wide ? UserTarget : UserTarget | (1UL << 40);
        machine.State.Gprs[11] = RFlags.CF | RFlags.RF | RFlags.VM | RFlags.IF;
        machine.PlaceBytes(UserTarget, wide ? [0x48, 0xFF, 0xC0, 0x0F, 0x0B] : [0x40, 0x40, 0x40, 0x0F, 0x0B]); // INC RAX; or three INC EAX

        machine.Start(a => a.db(wide ? [0x48, 0x0F, 0x07] : [0x0F, 0x07]));

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, UserTarget + 3);
        Assert.Equal(((ushort)cs, Selector.UserData, SystemMachine.Stack), (machine.Frame.Cs, machine.Frame.Ss, machine.Frame.Rsp));
        Assert.Equal(wide ? 1UL : 3UL, machine.State.Gprs[Gpr.Rax]);
        Assert.Equal(2 | RFlags.IF | RFlags.RF, machine.Frame.Rflags & ~RFlags.Arithmetic);
    }

    [Fact]
    public void Sysret_NonCanonicalRcx_IsGeneralProtectionAtPrivilegeZero()
    {
        using SystemMachine machine = Create(GuestMode.Long, 0);
        machine.State.Gprs[Gpr.Rcx] = NonCanonical;

        machine.Start(a => a.sysretq());

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
        Assert.Equal(Selector.Code64, machine.Frame.Cs);
    }

    [Fact]
    public void Sysret_FromUser_IsGeneralProtection()
    {
        using SystemMachine machine = Create(GuestMode.Long, 3);

        machine.Start(a => a.sysretq());

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
    }

    [Fact]
    public void Sysret_Disabled_IsInvalidOpcode()
    {
        using SystemMachine machine = Create(GuestMode.Long, 0);
        machine.State.EferMsr &= ~Efer.SCE;

        machine.Start(a => a.sysretq());

        machine.AssertFault(ExceptionVector.InvalidOpcode);
    }

    [Theory]
    [InlineData(GuestMode.Protected32, 3)]
    [InlineData(GuestMode.Compatibility, 3)]
    [InlineData(GuestMode.Long, 3)]
    [InlineData(GuestMode.Virtual8086, 3)]
    public void Sysenter_AnyProtectedMode_LoadsTheMsrs(GuestMode mode, int cpl)
    {
        using SystemMachine machine = Create(mode, cpl);
        bool isLong = mode is GuestMode.Long or GuestMode.Compatibility;
        machine.State.SysenterCs = isLong ? Selector.Code64 : Selector.Code32 - 8u; // CS, and SS 8 above
        machine.State.SysenterEsp = 0xB000;
        machine.State.SysenterEip = Entry;
        machine.State.Rflags |= RFlags.IF | RFlags.CF;
        machine.PlaceBytes(Entry, [0x90]);

        machine.Start(a => a.db(0x0F, 0x34));

        machine.AssertNoEvent();
        Assert.Equal((0xB000UL, Entry + 2, 2 | RFlags.CF), (machine.State.Gprs[Gpr.Rsp], machine.State.Rip, machine.State.Rflags));
        Assert.Equal((ushort)(machine.State.SysenterCs + 8), machine.State.Ss.Selector);
        Assert.Equal(isLong, (machine.State.Cs.Attributes & SegmentState.Long) != 0);
    }

    [Theory]
    [InlineData(GuestMode.Real, 0x08u)]
    [InlineData(GuestMode.Protected32, 0x0u)]
    [InlineData(GuestMode.Protected32, 0x3u)]
    [InlineData(GuestMode.Long, 0x0u)]
    public void Sysenter_RealModeOrNullSelector_IsGeneralProtection(GuestMode mode, uint cs)
    {
        using SystemMachine machine = Create(mode, 0);
        machine.State.SysenterCs = cs;

        machine.Start(a => a.db(0x0F, 0x34));

        machine.AssertFault(ExceptionVector.GeneralProtection, mode == GuestMode.Real ? null : 0);
    }

    [Theory]
    [InlineData(true, 0x2B)]
    [InlineData(false, 0x1B)]
    public void Sysexit_FromLongMode_UsesRcxAndRdx(bool wide, int cs)
    {
        using SystemMachine machine = Create(GuestMode.Long, 0);
        machine.State.SysenterCs = Selector.Code64;
        machine.State.Gprs[Gpr.Rcx] = SystemMachine.UserStack - 0x100;
        machine.State.Gprs[Gpr.Rdx] = UserTarget;
        machine.PlaceBytes(UserTarget, [0x0F, 0x0B]);

        machine.Start(a => a.db(wide ? [0x48, 0x0F, 0x35] : [0x0F, 0x35]));

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, UserTarget);
        Assert.Equal(
            ((ushort)cs, (ushort)(cs + 8), SystemMachine.UserStack - 0x100), (machine.Frame.Cs, machine.Frame.Ss, machine.Frame.Rsp));
    }

    [Theory]
    [InlineData(Gpr.Rcx)]
    [InlineData(Gpr.Rdx)]
    public void Sysexit_NonCanonical_IsGeneralProtection(int register)
    {
        using SystemMachine machine = Create(GuestMode.Long, 0);
        machine.State.SysenterCs = Selector.Code64;
        machine.State.Gprs[register] = NonCanonical;

        machine.Start(a => a.sysexitq());

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
    }

    [Fact]
    public void Swapgs_Supervisor_ExchangesBases()
    {
        using SystemMachine machine = Create(GuestMode.Long, 0);
        machine.State.Gs.Base = 0x1000;
        machine.State.KernelGsBase = 0xFFFF_8000_0000_0000;

        machine.Start(a => a.swapgs());

        Assert.Equal((0xFFFF_8000_0000_0000UL, 0x1000UL), (machine.State.Gs.Base, machine.State.KernelGsBase));
    }

    [Theory]
    [InlineData(GuestMode.Long, 3, ExceptionVector.GeneralProtection)]
    [InlineData(GuestMode.Compatibility, 0, ExceptionVector.InvalidOpcode)]
    public void Swapgs_UserOrOutside64BitMode_Faults(GuestMode mode, int cpl, ExceptionVector vector)
    {
        using SystemMachine machine = Create(mode, cpl);

        machine.Start(a => a.db(0x0F, 0x01, 0xF8));

        machine.AssertFault(vector, vector == ExceptionVector.GeneralProtection ? 0 : null);
    }

    private static SystemMachine Create(GuestMode mode, int cpl)
    {
        SystemMachine machine = new(mode, cpl);
        machine.State.Star = ((ulong)Selector.Code64 << 32) | ((ulong)(Selector.Code32 | 3) << 48);
        machine.State.Lstar = Entry;
        return machine;
    }
}
