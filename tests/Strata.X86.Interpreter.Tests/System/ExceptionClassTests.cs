using Iced.Intel;
using Strata.Core.Execution;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>Vector, error code, saved RIP and flags of each exception. Intel SDM Vol. 3A, "Exception and Interrupt Reference".</summary>
public sealed unsafe class ExceptionClassTests
{
    public static TheoryData<GuestMode, int> Modes => new()
    {
        { GuestMode.Protected32, 0 },
        { GuestMode.Protected32, 3 },
        { GuestMode.Compatibility, 0 },
        { GuestMode.Compatibility, 3 },
        { GuestMode.Long, 0 },
        { GuestMode.Long, 3 },
    };

    [Theory]
    [MemberData(nameof(Modes))]
    public void Div_ByZero_FaultsAtInstruction(GuestMode mode, int cpl)
    {
        using SystemMachine machine = new(mode, cpl);

        machine.Start(a =>
        {
            a.xor(ecx, ecx);
            a.div(ecx);
        });

        machine.AssertEvent(ExceptionVector.DivideError, null, machine.Frame.Cs switch
        {
            Selector.UserCode32 or Selector.UserCode64 => SystemMachine.UserCode + 2,
            _ => SystemMachine.Code + 2,
        });
        Assert.NotEqual(0UL, machine.Frame.Rflags & RFlags.RF);
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void Ud2_AnyPrivilege_FaultsAtInstruction(GuestMode mode, int cpl)
    {
        using SystemMachine machine = new(mode, cpl);
        ulong entry = machine.Entry;

        machine.Start(a => a.ud2());

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, entry);
        Assert.Equal(2 | RFlags.RF, machine.Frame.Rflags);
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void Icebp_AnyPrivilege_TrapsBehindInstructionWithoutDplCheck(GuestMode mode, int cpl)
    {
        using SystemMachine machine = new(mode, cpl);
        ulong entry = machine.Entry;

        machine.Start(a => a.db(0xF1));

        machine.AssertEvent(ExceptionVector.Debug, null, entry + 1);
        Assert.Equal(2UL, machine.Frame.Rflags);
        Assert.Equal(0xFFFF0FF0UL, machine.State.Dr6);
    }

    [Theory]
    [InlineData(GuestMode.Protected32, 0, false)]
    [InlineData(GuestMode.Protected32, 3, true)]
    [InlineData(GuestMode.Long, 0, false)]
    [InlineData(GuestMode.Long, 3, true)]
    public void Int3_GateOfCplZero_TrapsOrRefusesOuterPrivilege(GuestMode mode, int cpl, bool refused)
    {
        using SystemMachine machine = new(mode, cpl);
        ulong entry = machine.Entry;

        machine.Start(a => a.int3());

        // Error code of an IDT entry: vector × 8, bit 1 set; EXT clear for a software interrupt.
        machine.AssertEvent(
            refused
                ? ExceptionVector.GeneralProtection
                : ExceptionVector.Breakpoint, refused
                ? (3 * 8) + 2u
                : null, refused
                ? entry
                : entry + 1);
    }

    [Fact]
    public void Into_OverflowSet_TrapsBehindInstruction()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.State.Rflags |= RFlags.OF;

        machine.Start(a => a.into());

        machine.AssertEvent(ExceptionVector.Overflow, null, SystemMachine.Code + 1);
    }

    [Fact]
    public void Into_OverflowClear_GoesOn()
    {
        using SystemMachine machine = new(GuestMode.Protected32);

        machine.Start(a => a.into());

        machine.AssertNoEvent();
    }

    [Fact]
    public void Into_LongMode_IsInvalidOpcode()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Rflags |= RFlags.OF;

        machine.Start(a => a.db(0xCE));

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, SystemMachine.Code);
    }

    [Theory]
    [InlineData(4u, true)]
    [InlineData(5u, false)]
    [InlineData(9u, false)]
    [InlineData(10u, true)]
    [InlineData(0xFFFFFFFFu, true)]
    public void Bound_IndexAgainstLimits_FaultsOutside(uint index, bool fault)
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.Dword(SystemMachine.Data) = 5;
        machine.Dword(SystemMachine.Data + 4) = 9;
        machine.State.Gprs[Gpr.Rax] = index;

        machine.Start(a => a.bound(eax, __dword_ptr[ebx]));

        Assert.Equal(fault ? (int)ExceptionVector.BoundRange : -1, machine.Vector);
        Assert.Equal(fault ? SystemMachine.Code : 0, machine.Frame.Rip);
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void Lock_OnRegisterDestination_IsInvalidOpcode(GuestMode mode, int cpl)
    {
        using SystemMachine machine = new(mode, cpl);
        ulong entry = machine.Entry;

        machine.Start(a => a.db(0xF0, 0x01, 0xC0)); // lock add eax, eax

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, entry);
    }

    [Theory]
    [InlineData(14, false)]
    [InlineData(15, true)]
    public void Nop_MoreThanFifteenBytes_IsGeneralProtection(int prefixes, bool fault)
    {
        using SystemMachine machine = new(GuestMode.Long);
        byte[] code = new byte[prefixes + 1];
        Array.Fill(code, (byte)0x66);
        code[prefixes] = 0x90;
        machine.PlaceBytes(SystemMachine.Code, code);

        machine.Run();

        Assert.Equal(fault ? (int)ExceptionVector.GeneralProtection : -1, machine.Vector);
        Assert.Equal(fault ? 0u : null, machine.Frame.ErrorCode);
    }

    [Theory]
    [InlineData(3, true, 1UL, true)]
    [InlineData(3, true, 0UL, false)]
    [InlineData(3, false, 1UL, false)]
    [InlineData(0, true, 1UL, false)]
    public void Load_Misaligned_IsAlignmentCheckOnlyForUserWithFlagAndMask(int cpl, bool flag, ulong offset, bool fault)
    {
        using SystemMachine machine = new(GuestMode.Long, cpl);
        machine.State.Cr0 |= Cr0.AM;
        machine.State.Rflags |= flag ? RFlags.AC : 0;
        machine.State.Gprs[Gpr.Rbx] += offset;
        machine.SetGate(0x80, SystemMachine.Handlers + 0x800, Selector.Code64, dpl: 3);
        ulong entry = machine.Entry;

        machine.Start(a =>
        {
            a.mov(eax, __dword_ptr[rbx]);
            a.@int(0x80);
        });

        machine.AssertEvent(
            fault ? ExceptionVector.AlignmentCheck : (ExceptionVector)0x80, fault ? 0u : null, fault ? entry : entry + 4);
    }

    [Fact]
    public void Load_MisalignedInNotPresentPage_IsAlignmentCheckFirst()
    {
        using SystemMachine machine = new(GuestMode.Long, 3);
        machine.State.Cr0 |= Cr0.AM;
        machine.State.Rflags |= RFlags.AC;
        machine.State.Gprs[Gpr.Rbx] += 1;
        machine.ChangePte(SystemMachine.UserData, 0, 1);

        machine.Start(a => a.mov(ax, __word_ptr[rbx]));

        machine.AssertEvent(ExceptionVector.AlignmentCheck, 0, SystemMachine.UserCode);
    }

    [Theory]
    [InlineData(Cr0.TS, 0UL, ExceptionVector.DeviceNotAvailable)]
    [InlineData(Cr0.EM, 0UL, ExceptionVector.InvalidOpcode)]
    [InlineData(0UL, Cr4.OSFXSR, ExceptionVector.InvalidOpcode)]
    public void Sse_NotEnabled_Faults(ulong setCr0, ulong clearCr4, ExceptionVector vector)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Cr0 |= setCr0;
        machine.State.Cr4 &= ~clearCr4;

        machine.Start(a => a.addps(xmm0, xmm1));

        machine.AssertEvent(vector, null, SystemMachine.Code);
    }

    [Theory]
    [InlineData(true, ExceptionVector.Simd)]
    [InlineData(false, ExceptionVector.InvalidOpcode)]
    public void Sse_UnmaskedDivideByZero_IsSimdOrInvalidOpcode(bool reported, ExceptionVector vector)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Cr4 = reported ? machine.State.Cr4 : machine.State.Cr4 & ~Cr4.OSXMMEXCPT;
        machine.State.Mxcsr = 0x1F80 & ~0x200u;
        machine.State.Vectors[0] = 0x3F800000;

        machine.Start(a => a.divss(xmm0, xmm1));

        machine.AssertEvent(vector, null, SystemMachine.Code);
    }

    [Fact]
    public void Movaps_Misaligned_IsGeneralProtectionNotAlignmentCheck()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Gprs[Gpr.Rbx] += 8;

        machine.Start(a => a.movaps(xmm0, __xmmword_ptr[rbx]));

        machine.AssertEvent(ExceptionVector.GeneralProtection, 0, SystemMachine.Code);
    }

    [Fact]
    public void Fault_InMiddleOfBlock_KeepsEarlierAndDropsLaterEffects()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.ChangePte(SystemMachine.Data + 0x1000, 0, 1);

        machine.Start(a =>
        {
            a.mov(eax, 7);
            a.mov(__dword_ptr[rbx], eax);
            a.add(__dword_ptr[rbx + 0xFFE], eax);
            a.mov(eax, 9);
        });

        machine.AssertEvent(ExceptionVector.PageFault, 2, SystemMachine.Code + 7);
        Assert.Equal(SystemMachine.Data + 0x1000, machine.State.Cr2);
        Assert.Equal(7UL, machine.State.Gprs[Gpr.Rax]);
        Assert.Equal(0u, machine.Dword(SystemMachine.Data + 0xFFE) & 0xFFFF);
    }

    [Fact]
    public void Ud2_RealMode_PushesThreeWordsWithoutErrorCode()
    {
        using SystemMachine machine = new(GuestMode.Real);

        machine.Start(a => a.ud2());

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, SystemMachine.Code);
        Assert.Equal(SystemMachine.Stack - 6, machine.State.Gprs[Gpr.Rsp]);
        Assert.Equal(VcpuStop.Halted, machine.Stop);
    }
}
