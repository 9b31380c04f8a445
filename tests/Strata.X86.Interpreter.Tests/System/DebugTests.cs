using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>Single step, breakpoints, DR6 and RF. Intel SDM Vol. 3B, "Debug Exceptions".</summary>
public sealed unsafe class DebugTests
{
    private const ulong Dr6Clear = 0xFFFF0FF0;
    private const ulong SingleStep = 1 << 14;
    private const ulong AccessDetected = 1 << 13;
    private const ulong GeneralDetect = 1 << 13;
    private const int Debug = (int)ExceptionVector.Debug;

    /// <summary>R/W field of DR7.</summary>
    private const int OnExecute = 0;
    private const int OnWrite = 1;
    private const int OnPort = 2;
    private const int OnAccess = 3;

    [Theory]
    [InlineData(GuestMode.Real)]
    [InlineData(GuestMode.Protected32)]
    [InlineData(GuestMode.Long)]
    public void TrapFlag_Set_TrapsBehindNextInstruction(GuestMode mode)
    {
        using SystemMachine machine = new(mode);
        machine.State.Rflags |= RFlags.TF;

        machine.Start(a => a.nop());

        machine.AssertEvent(ExceptionVector.Debug, null, SystemMachine.Code + 1);
        Assert.Equal(Dr6Clear | SingleStep, machine.State.Dr6);
        Assert.Equal(2 | RFlags.TF, machine.Frame.Rflags);
        Assert.Equal(2UL, machine.State.Rflags);
    }

    [Fact]
    public void Popf_SettingTrapFlag_TrapsAfterTheFollowingInstruction()
    {
        using SystemMachine machine = new(GuestMode.Long);
        ulong end = 0;

        machine.Start(a =>
        {
            a.push(0x102);
            a.popfq();
            a.nop();
            a.inc(eax);
            end = SystemMachine.Code + 7;
        });

        machine.AssertEvent(ExceptionVector.Debug, null, end);
        Assert.Equal(0UL, machine.State.Gprs[Gpr.Rax]);
    }

    [Fact]
    public void Popf_ClearingTrapFlag_StillTrapsBehindItself()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Rflags |= RFlags.TF;
        machine.State.Gprs[Gpr.Rsp] -= 8;
        machine.Quad(SystemMachine.Stack - 8) = 2;

        machine.Start(a => a.popfq());

        machine.AssertEvent(ExceptionVector.Debug, null, SystemMachine.Code + 1);
        Assert.Equal(2UL, machine.Frame.Rflags);
    }

    [Fact]
    public void Iret_SettingTrapFlag_TrapsAfterOneInstruction()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.State.Gprs[Gpr.Rsp] -= 12;
        machine.Dword(SystemMachine.Stack - 12) = 0x9000;
        machine.Dword(SystemMachine.Stack - 8) = Selector.Code32;
        machine.Dword(SystemMachine.Stack - 4) = 0x102;
        machine.PlaceBytes(0x9000, [0x90, 0x90]);

        machine.Start(a => a.iretd());

        machine.AssertEvent(ExceptionVector.Debug, null, 0x9001);
    }

    [Theory]
    [InlineData(GuestMode.Real)]
    [InlineData(GuestMode.Protected32)]
    [InlineData(GuestMode.Long)]
    public void SoftwareInterrupt_WithTrapFlag_DoesNotTrapInHandler(GuestMode mode)
    {
        // INT n clears TF before the trap could be taken: SDM Vol. 3B, "Single-Step Exception Condition".
        using SystemMachine machine = new(mode);
        machine.State.Rflags |= RFlags.TF;

        machine.Start(a => a.@int(0x80));

        machine.AssertEvent((ExceptionVector)0x80, null, SystemMachine.Code + 2);
        Assert.NotEqual(0UL, machine.Frame.Rflags & RFlags.TF);
        Assert.Equal(Dr6Clear, machine.State.Dr6);
    }

    [Fact]
    public void Fault_WithTrapFlag_DeliversOnlyTheFault()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Rflags |= RFlags.TF;

        machine.Start(a => a.ud2());

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, SystemMachine.Code);
        Assert.Equal(Dr6Clear, machine.State.Dr6);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void RepeatedString_WithTrapFlag_TrapsAfterEachIteration(bool move)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Rflags |= RFlags.TF;
        machine.State.Gprs[Gpr.Rcx] = 3;
        machine.State.Gprs[Gpr.Rdi] = SystemMachine.Data;
        machine.State.Gprs[Gpr.Rsi] = SystemMachine.Data + 0x100;

        machine.Start(a =>
        {
            if (move)
            {
                a.rep.movsb();
            }
            else
            {
                a.rep.stosb();
            }
        });

        machine.AssertEvent(ExceptionVector.Debug, null, SystemMachine.Code);
        Assert.Equal((2UL, SystemMachine.Data + 1), (machine.State.Gprs[Gpr.Rcx], machine.State.Gprs[Gpr.Rdi]));
        Assert.NotEqual(0UL, machine.Frame.Rflags & RFlags.RF);
    }

    [Fact]
    public void MovSs_WithTrapFlag_TrapsAfterTheFollowingInstruction()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.State.Rflags |= RFlags.TF;
        machine.State.Gprs[Gpr.Rax] = Selector.Data;

        machine.Start(a =>
        {
            a.mov(ss, eax);
            a.nop();
        });

        machine.AssertEvent(ExceptionVector.Debug, null, SystemMachine.Code + 3);
    }

    [Theory]
    [InlineData(GuestMode.Protected32)]
    [InlineData(GuestMode.Long)]
    public void ExecuteBreakpoint_Hit_FaultsBeforeInstruction(GuestMode mode)
    {
        using SystemMachine machine = new(mode);
        Breakpoint(machine, 2, SystemMachine.Code + 1, OnExecute, 1);

        machine.Start(a =>
        {
            a.nop();
            a.hlt();
        });

        machine.AssertEvent(ExceptionVector.Debug, null, SystemMachine.Code + 1);
        Assert.Equal(Dr6Clear | 4, machine.State.Dr6);
        Assert.Equal(2UL, machine.Frame.Rflags); // RF clear: the handler sets it
    }

    [Fact]
    public void ExecuteBreakpoint_ResumeFlagFromIret_IsPassedOnce()
    {
        using SystemMachine machine = new(GuestMode.Long);
        Breakpoint(machine, 0, SystemMachine.Code + 0x10, OnExecute, 1);
        machine.State.Rip = SystemMachine.Code + 0x10;
        machine.State.Rflags |= RFlags.RF;
        machine.PlaceBytes(SystemMachine.Code + 0x10, [0xFF, 0xC0, 0xEB, 0xFC]); // INC EAX; JMP back

        machine.Run();

        machine.AssertEvent(ExceptionVector.Debug, null, SystemMachine.Code + 0x10);
        Assert.Equal(1UL, machine.State.Gprs[Gpr.Rax]);
    }

    [Fact]
    public void ExecuteBreakpoint_OnRepeatedString_IsPassedOnceWithResumeFlag()
    {
        using SystemMachine machine = new(GuestMode.Long);
        Breakpoint(machine, 0, SystemMachine.Code, OnExecute, 1);
        machine.State.Rflags |= RFlags.RF;
        machine.State.Gprs[Gpr.Rcx] = 1000;
        machine.State.Gprs[Gpr.Rdi] = SystemMachine.Data;

        machine.Start(a => a.rep.stosb());

        machine.AssertNoEvent();
        Assert.Equal((0UL, SystemMachine.Data + 1000), (machine.State.Gprs[Gpr.Rcx], machine.State.Gprs[Gpr.Rdi]));
        Assert.Equal(2UL, machine.State.Rflags);
    }

    [Fact]
    public void DataBreakpoint_InRepeatedString_TrapsAfterItsIteration()
    {
        using SystemMachine machine = new(GuestMode.Long);
        Breakpoint(machine, 0, SystemMachine.Data + 2, OnWrite, 1);
        machine.State.Gprs[Gpr.Rcx] = 10;
        machine.State.Gprs[Gpr.Rdi] = SystemMachine.Data;

        machine.Start(a => a.rep.stosb());

        machine.AssertEvent(ExceptionVector.Debug, null, SystemMachine.Code);
        Assert.Equal((7UL, SystemMachine.Data + 3), (machine.State.Gprs[Gpr.Rcx], machine.State.Gprs[Gpr.Rdi]));
    }

    [Fact]
    public void RepeatedOutput_WithTrapFlag_TrapsAfterEachIteration()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Rflags |= RFlags.TF;
        machine.State.Gprs[Gpr.Rcx] = 3;
        machine.State.Gprs[Gpr.Rsi] = SystemMachine.Data;

        machine.Start(a => a.rep.outsb());

        machine.AssertEvent(ExceptionVector.Debug, null, SystemMachine.Code);
        Assert.Equal(2UL, machine.State.Gprs[Gpr.Rcx]);
    }

    [Fact]
    public void Syscall_MaskingTrapFlag_DoesNotTrapInHandler()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Lstar = SystemMachine.Handlers;
        machine.State.Sfmask = RFlags.TF;
        machine.State.Star = (ulong)Selector.Code64 << 32;
        machine.State.Rflags |= RFlags.TF;

        machine.Start(a => a.syscall());

        Assert.Equal(0, machine.Vector);
        Assert.Equal(Dr6Clear, machine.State.Dr6);
        Assert.Equal(2 | RFlags.TF, machine.State.Gprs[11]);
    }

    [Fact]
    public void ExecuteBreakpoint_NotEnabled_IsNotReported()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.DebugAddresses[0] = SystemMachine.Code;

        machine.Start(a => a.nop());

        machine.AssertNoEvent();
    }

    [Theory]
    [InlineData(OnWrite, 4, 0, 4, true, true)]
    [InlineData(OnWrite, 4, 0, 4, false, false)]
    [InlineData(OnAccess, 4, 0, 4, false, true)]
    [InlineData(OnAccess, 4, 0, 4, true, true)]
    [InlineData(OnWrite, 1, 3, 4, true, true)]
    [InlineData(OnWrite, 1, 4, 4, true, false)]
    [InlineData(OnWrite, 2, 4, 1, true, false)]
    [InlineData(OnWrite, 8, 0, 1, true, true)]
    [InlineData(OnWrite, 4, 2, 1, true, true)] // the low address bits are ignored: bytes 0..3
    [InlineData(OnWrite, 1, -1, 4, true, false)]
    public void DataBreakpoint_RangeAndKind_TrapsBehindAccess(int kind, int length, int offset, int size, bool write, bool hit)
    {
        using SystemMachine machine = new(GuestMode.Long);
        Breakpoint(machine, 1, SystemMachine.Data + 0x100 + (ulong)offset, kind, length);
        machine.State.Gprs[Gpr.Rbx] = SystemMachine.Data + 0x100;

        machine.Start(a => Access(a, size, write));

        Assert.Equal(hit ? Debug : -1, machine.Vector);
        Assert.Equal(hit ? Dr6Clear | 2 : Dr6Clear, machine.State.Dr6);
        Assert.Equal(hit ? SystemMachine.Code + 2 : 0, machine.Frame.Rip);
    }

    [Fact]
    public void DataBreakpoint_WithTrapFlag_ReportsBothAtOnce()
    {
        using SystemMachine machine = new(GuestMode.Long);
        Breakpoint(machine, 3, SystemMachine.Data, OnWrite, 4);
        machine.State.Rflags |= RFlags.TF;

        machine.Start(a => Access(a, 4, write: true));

        machine.AssertEvent(ExceptionVector.Debug, null, SystemMachine.Code + 2);
        Assert.Equal(Dr6Clear | SingleStep | 8, machine.State.Dr6);
    }

    [Fact]
    public void DataBreakpoint_OnMovSsOperand_IsHeldOffForOneInstruction()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        Breakpoint(machine, 0, SystemMachine.Data, OnAccess, 2);
        machine.Word(SystemMachine.Data) = Selector.Data;

        machine.Start(a =>
        {
            a.mov(ss, __word_ptr[ebx]);
            a.nop();
        });

        machine.AssertEvent(ExceptionVector.Debug, null, SystemMachine.Code + 3);
        Assert.Equal(Dr6Clear | 1, machine.State.Dr6);
    }

    [Theory]
    [InlineData(Cr4.DE, 0x60, 1, true)]
    [InlineData(0UL, 0x60, 1, false)]
    [InlineData(Cr4.DE, 0x61, 1, false)]
    [InlineData(Cr4.DE, 0x61, 2, true)]
    public void PortBreakpoint_DebugExtensions_TrapsBehindAccess(ulong extensions, int port, int length, bool hit)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Cr4 |= extensions;
        Breakpoint(machine, 0, 0x60, OnPort, length);

        machine.Start(a => a.@out((byte)port, al));

        Assert.Equal(hit ? Debug : -1, machine.Vector);
        Assert.Equal(hit ? SystemMachine.Code + 2 : 0, machine.Frame.Rip);
        Assert.Equal(hit ? Dr6Clear | 1 : Dr6Clear, machine.State.Dr6);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void MovDebug_GeneralDetect_FaultsBeforeAccessAndClearsIt(bool read)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Dr7 |= GeneralDetect;

        machine.Start(a =>
        {
            if (read)
            {
                a.mov(rax, dr0);
            }
            else
            {
                a.mov(dr0, rax);
            }
        });

        machine.AssertFault(ExceptionVector.Debug);
        Assert.Equal(Dr6Clear | AccessDetected, machine.State.Dr6);
        Assert.Equal(0x400UL, machine.State.Dr7);
    }

    [Fact]
    public void DebugException_AnyCause_ClearsGeneralDetect()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Dr7 |= GeneralDetect;

        machine.Start(a => a.db(0xF1));

        Assert.Equal((Debug, 0x400UL), (machine.Vector, machine.State.Dr7));
    }

    [Theory]
    [InlineData(0UL, -1)]
    [InlineData(Cr4.DE, (int)ExceptionVector.InvalidOpcode)]
    public void MovDr4_DebugExtensions_AliasesDr6OrIsUndefined(ulong extensions, int vector)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Cr4 |= extensions;
        machine.State.Dr6 = Dr6Clear | 5;

        machine.Start(a => a.db(0x0F, 0x21, 0xE0)); // MOV RAX, DR4

        Assert.Equal(vector, machine.Vector);
        Assert.Equal(vector < 0 ? Dr6Clear | 5 : 0, machine.State.Gprs[Gpr.Rax]);
    }

    [Theory]
    [InlineData(6)]
    [InlineData(7)]
    public void MovToDebug_UpperHalfSet_IsGeneralProtection(int register)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Gprs[Gpr.Rax] = 1UL << 32;

        machine.Start(a => a.db(0x0F, 0x23, (byte)(0xC0 | (register << 3))));

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
    }

    [Fact]
    public void MovToDebug_ReservedBits_ReadFixed()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Gprs[Gpr.Rax] = 0;
        machine.State.Gprs[Gpr.Rcx] = 0xFFFF_FFFF & ~(GeneralDetect | 0xFF);

        machine.Start(a =>
        {
            a.mov(dr6, rax);
            a.mov(dr7, rcx);
            a.mov(rdx, dr6);
            a.mov(rsi, dr7);
        });

        Assert.Equal(0xFFFF0FF0UL, machine.State.Gprs[Gpr.Rdx]);
        Assert.Equal(0xFFFF0700UL, machine.State.Gprs[Gpr.Rsi] & 0xFFFFF700); // bit 11 is RTM's, bits 12, 14 and 15 are zero
    }

    private static void Breakpoint(SystemMachine machine, int number, ulong address, int kind, int length)
    {
        uint lengthCode = length switch { 1 => 0u, 2 => 1u, 8 => 2u, _ => 3u };
        machine.State.DebugAddresses[number] = address;
        machine.State.Dr7 |= (1UL << ((number * 2) + 1)) | ((ulong)((lengthCode << 2) | (uint)kind) << (16 + (number * 4)));
    }

    private static void Access(Assembler a, int size, bool write)
    {
        switch (size, write)
        {
            case (1, true):
                a.mov(__byte_ptr[rbx], al);
                break;
            case (4, true):
                a.mov(__dword_ptr[rbx], eax);
                break;
            default:
                a.mov(eax, __dword_ptr[rbx]);
                break;
        }
    }
}
