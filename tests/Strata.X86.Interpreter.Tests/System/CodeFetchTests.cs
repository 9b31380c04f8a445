using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>Limits of the code segment and faults of fetches. Intel SDM Vol. 3A, "Limit Checking".</summary>
public sealed unsafe class CodeFetchTests
{
    /// <summary>NOP; MOV EAX, 12345678H: the second instruction has bytes 1 to 5.</summary>
    [Theory]
    [InlineData(5u, -1)]
    [InlineData(4u, (int)ExceptionVector.GeneralProtection)]
    [InlineData(1u, (int)ExceptionVector.GeneralProtection)]
    [InlineData(0u, (int)ExceptionVector.GeneralProtection)]
    public void Instruction_AcrossCodeLimit_IsGeneralProtection(uint lastByte, int vector)
    {
        foreach (ulong start in new[] { SystemMachine.Code, SystemMachine.Code + 0xFFD })
        {
            using SystemMachine machine = new(GuestMode.Protected32);
            machine.PlaceBytes(start, [0x90, 0xB8, 0x78, 0x56, 0x34, 0x12, 0x90]);
            machine.State.Rip = start;
            machine.State.Gprs[Gpr.Rax] = 0;
            machine.State.Cs.Limit = (uint)start + lastByte;

            machine.Run();

            // With all of MOV inside the limit, the NOP behind it is the one that faults.
            machine.AssertEvent(ExceptionVector.GeneralProtection, 0, start + (vector == -1 ? 6u : 1u));
            Assert.Equal(vector == -1 ? 0x12345678UL : 0, machine.State.Gprs[Gpr.Rax]);
        }
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(0x345UL)]
    public void Instruction_BehindRealModeSegmentEnd_IsGeneralProtection(ulong skew)
    {
        using SystemMachine machine = new(GuestMode.Real);
        machine.State.Cs.Selector = (ushort)(skew & 0xFFF);
        machine.State.Cs.Base = skew << 4;
        ulong linear = machine.State.Cs.Base + 0xFFFE;
        machine.PlaceBytes(linear, [0x40, 0x40, 0x40, 0x40]); // INC AX
        machine.State.Gprs[Gpr.Rax] = 0;
        machine.State.Rip = 0xFFFE;

        machine.Run();

        Assert.Equal((int)ExceptionVector.GeneralProtection, machine.Vector);
        Assert.Equal(2UL, machine.State.Gprs[Gpr.Rax]);
    }

    [Fact]
    public void Call_BeyondCodeLimit_FaultsAtTheCall()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.State.Cs.Limit = (uint)SystemMachine.Code + 0x7F;

        machine.Start(a => a.db(0xE8, 0x7B, 0x00, 0x00, 0x00));

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
        Assert.Equal(SystemMachine.Stack - 16, machine.State.Gprs[Gpr.Rsp]); // no return address below the frame
    }

    [Fact]
    public void Branch_SixteenBitOperand_TruncatesTarget()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.PlaceBytes(0x9000, [0x90]);
        machine.State.Rip = 0x49000;
        machine.PlaceBytes(0x49000, [0x66, 0xEB, 0xFD]); // JMP SHORT -3 with a 16-bit operand: 9000H

        machine.Run();

        machine.AssertNoEvent();
        Assert.Equal(0x9002UL, machine.State.Rip);
    }

    [Fact]
    public void Fetch_SecondPageAbsent_FaultsAtInstructionWithPageAddress()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.PlaceBytes(0x8FFB, [0x90, 0x90, 0xB8, 1, 2, 3, 4]);
        machine.ChangePte(0x9000, 0, 1);
        machine.State.Rip = 0x8FFB;

        machine.Run();

        machine.AssertEvent(ExceptionVector.PageFault, 0x10, 0x8FFD);
        Assert.Equal(0x9000UL, machine.State.Cr2);
    }

    [Fact]
    public void Fetch_InvalidOpcodeAtPageEnd_DoesNotTouchNextPage()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.PlaceBytes(0x8FFE, [0x0F, 0x0B]);
        machine.ChangePte(0x9000, 0, 1);
        machine.State.Rip = 0x8FFE;

        machine.Run();

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, 0x8FFE);
    }

    [Fact]
    public void Fetch_PresentAgainAfterFault_ExecutesAcrossPages()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.PlaceBytes(0x8FFD, [0xB8, 1, 2, 3, 4]);
        ulong pte = machine.PteAddress(0x9000);
        machine.ChangePte(0x9000, 0, 1);
        machine.SetGate((int)ExceptionVector.PageFault, 0xA000, Selector.Code64);
        machine.Place(0xA000, a =>
        {
            a.or(__qword_ptr[pte], 1);
            a.add(rsp, 8);
            a.iretq();
        });
        machine.State.Rip = 0x8FFD;

        machine.Run();

        machine.AssertNoEvent();
        Assert.Equal(0x04030201UL, machine.State.Gprs[Gpr.Rax]);
    }
}
