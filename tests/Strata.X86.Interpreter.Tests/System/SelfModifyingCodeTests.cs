using Strata.Disks.Tests.Harness;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>Stores into code take effect at the next branch at the latest. Intel SDM Vol. 3A, "Self-Modifying Code".</summary>
public sealed unsafe class SelfModifyingCodeTests
{
    private const ulong Function = 0x9000;

    [Theory]
    [InlineData(GuestMode.Real)]
    [InlineData(GuestMode.Protected32)]
    [InlineData(GuestMode.Long)]
    public void Store_AheadInSameBlock_IsExecuted(GuestMode mode)
    {
        using SystemMachine machine = new(mode);
        byte[] store = mode switch
        {
            GuestMode.Long => [0xC6, 0x05, 0x02, 0x00, 0x00, 0x00, 0x77], // MOV BYTE [RIP+2], 77H
            GuestMode.Protected32 => [0xC6, 0x05, 0x09, 0x80, 0x00, 0x00, 0x77],
            _ => [0xC6, 0x06, 0x07, 0x80, 0x77],
        };

        machine.Start(a =>
        {
            a.db(store);
            a.db(0x90);
            a.db(0xB0, 0x11); // MOV AL, 11H: its immediate is what the store changes
        });

        machine.AssertNoEvent();
        Assert.Equal(0x77UL, machine.State.Gprs[Gpr.Rax] & 0xFF);
    }

    [Fact]
    public void Store_IntoTheSameCodeOverAndOver_CostsTheSameEveryTime()
    {
        const int turns = 20_000;
        using SystemMachine machine = new(GuestMode.Long);
        machine.PlaceBytes(Function, [0xB8, 1, 0, 0, 0, 0xC3]); // MOV EAX, 1; RET
        TimeSpan before = ThreadTime.Used;

        machine.Start(a =>
        {
            a.mov(ecx, turns);
            Iced.Intel.Label again = a.CreateLabel();
            a.Label(ref again);
            a.mov(__dword_ptr[Function + 1], ecx);
            a.call(Function);
            a.dec(ecx);
            a.jnz(again);
        });

        machine.AssertNoEvent();
        Assert.Equal(1UL, machine.State.Gprs[Gpr.Rax]);
        TimeSpan used = ThreadTime.Used - before;
        Assert.True(used < TimeSpan.FromSeconds(3), $"{turns:N0} turns took {used}."); // 0.15 s; a cost that grows with them, a quarter of a minute
    }

    [Fact]
    public void Store_IntoOtherPage_IsExecutedByNextCall()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.PlaceBytes(Function, [0xB8, 1, 0, 0, 0, 0xC3]); // MOV EAX, 1; RET

        machine.Start(a =>
        {
            a.xor(edx, edx);
            for (int i = 2; i < 6; i++)
            {
                a.call(Function);
                a.lea(edx, __[rdx + (rdx * 8)]);
                a.add(edx, eax);
                a.mov(__byte_ptr[Function + 1], i);
            }
        });

        machine.AssertNoEvent();
        Assert.Equal(1UL * 729 + (2 * 81) + (3 * 9) + 4, machine.State.Gprs[Gpr.Rdx]);
    }

    [Fact]
    public void Store_IntoLoopBody_ChangesLaterIterations()
    {
        using SystemMachine machine = new(GuestMode.Long);
        byte[] code =
        [
            0x83, 0xC0, 0x01, // ADD EAX, 1: the immediate grows
            0xFE, 0x05, 0xF9, 0xFF, 0xFF, 0xFF, // INC BYTE [RIP-7]
            0xFF, 0xC9, // DEC ECX
            0x75, 0xF3, // JNZ to the ADD
        ];
        machine.PlaceBytes(SystemMachine.Code, code);
        machine.State.Gprs[Gpr.Rcx] = 10;

        machine.Run();

        Assert.Equal(55UL, machine.State.Gprs[Gpr.Rax]);
    }

    [Fact]
    public void Store_IntoInstructionAcrossPages_IsExecuted()
    {
        using SystemMachine machine = new(GuestMode.Long);
        ulong at = Function + 0xFFE; // MOV EAX, imm32 with its immediate in the second page
        machine.PlaceBytes(at, [0xB8, 1, 2, 3, 4, 0xC3]);

        machine.Start(a =>
        {
            a.call(at);
            a.mov(edx, eax);
            a.mov(__byte_ptr[at + 4], 9);
            a.call(at);
            a.mov(esi, eax);
            a.mov(__byte_ptr[at + 1], 7);
            a.call(at);
        });

        machine.AssertNoEvent();
        Assert.Equal((0x04030201UL, 0x09030201UL, 0x09030207UL),
            (machine.State.Gprs[Gpr.Rdx], machine.State.Gprs[Gpr.Rsi], machine.State.Gprs[Gpr.Rax]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void StringStore_OverOwnCode_IsSeenByTheFollowingInstruction(bool alias)
    {
        // With an alias the store goes through another linear address of the same page.
        using SystemMachine machine = new(GuestMode.Long);
        ulong window = alias ? 0x1F0000UL : Function;
        machine.Quad(machine.PteAddress(window)) = Function | 3;
        machine.PlaceBytes(Function, [0xF3, 0xAA, 0xB0, 0x00, 0x00, 0x00, 0x00, 0x00]); // REP STOSB, then what it wrote
        machine.State.Rip = Function;
        machine.State.Gprs[Gpr.Rdi] = window + 2;
        machine.State.Gprs[Gpr.Rcx] = 6;
        machine.State.Gprs[Gpr.Rax] = 0x90; // six NOPs
        machine.Run();

        machine.AssertNoEvent();
        Assert.Equal((Function + 9, 0x90UL), (machine.State.Rip, machine.State.Gprs[Gpr.Rax]));
    }

    [Fact]
    public void Push_OverCode_IsExecuted()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.PlaceBytes(Function, [0x0F, 0x0B, 0x0F, 0x0B, 0x0F, 0x0B, 0x0F, 0x0B]); // UD2, never executed
        machine.State.Gprs[Gpr.Rsp] = Function + 8;
        machine.State.Gprs[Gpr.Rax] = 0xF490_9090_9090_9090; // seven NOPs, HLT

        machine.Start(a =>
        {
            a.push(rax);
            a.jmp(Function);
        });

        machine.AssertNoEvent();
        Assert.Equal(Function + 8, machine.State.Rip);
    }

    [Fact]
    public void Store_IntoExceptionHandler_IsExecutedByNextFault()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.SetGate((int)ExceptionVector.InvalidOpcode, Function, Selector.Code64);
        machine.State.Gprs[Gpr.Rdx] = 0;
        machine.PlaceBytes(Function, [0x48, 0x83, 0x04, 0x24, 0x02, 0xFF, 0xC1, 0x48, 0xCF]); // skip UD2; INC ECX; IRETQ

        machine.Start(a =>
        {
            a.ud2();
            a.mov(__word_ptr[Function + 5], unchecked((short)0xC2FF)); // INC EDX
            a.ud2();
        });

        machine.AssertNoEvent();
        Assert.Equal((1UL, 1UL), (machine.State.Gprs[Gpr.Rcx], machine.State.Gprs[Gpr.Rdx]));
    }
}
