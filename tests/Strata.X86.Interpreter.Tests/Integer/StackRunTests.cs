using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Tests.HostCpu;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>PUSH after PUSH and POP after POP, as functions start and end: an engine may take them as one, and nobody may notice.</summary>
public sealed unsafe class StackRunTests
{
    private const ulong EndOfMemory = 0x400000;

    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    [InlineData(24)]
    [InlineData(48)]
    public void Push_RunWithMovesAcrossPages_StoresEachValueInItsPlace(int above)
    {
        using GuestProcessor guest = new();
        ulong top = GuestProcessor.Data + 0x1000 + (ulong)above;
        Place(guest, a =>
        {
            a.push(r15);
            a.mov(r14, rdi);
            a.push(rbp);
            a.mov(rbp, rsp);
            a.push(r14);
            a.push(-5);
            a.mov(r10d, r11d);
            a.push(r10);
            a.push(rbx);
        });
        guest.State.Gprs[Gpr.Rsp] = top;
        guest.State.Gprs[15] = 0x1515;
        guest.State.Gprs[Gpr.Rdi] = 0xD1D1;
        guest.State.Gprs[Gpr.Rbp] = 0xBBBB;
        guest.State.Gprs[11] = 0xFFFF_0000_1111_2222;
        guest.State.Gprs[Gpr.Rbx] = 0x3333;

        guest.Run();

        ulong* stack = (ulong*)guest.At(top - 48);
        Assert.Equal([0x3333, 0x1111_2222, unchecked((ulong)-5L), 0xD1D1, 0xBBBB, 0x1515], new ReadOnlySpan<ulong>(stack, 6).ToArray());
        Assert.Equal((top - 48, top - 16, 0xD1D1UL), (guest.State.Gprs[Gpr.Rsp], guest.State.Gprs[Gpr.Rbp], guest.State.Gprs[14]));
    }

    [Theory]
    [InlineData(8)]
    [InlineData(16)]
    [InlineData(64)]
    public void Pop_RunAndReturnAcrossPages_LoadsEachValue(int below)
    {
        using GuestProcessor guest = new();
        ulong bottom = GuestProcessor.Data + 0x1000 - (ulong)below;
        Place(guest, a =>
        {
            a.pop(rbx);
            a.pop(r14);
            a.pop(r12);
            a.ret(16);
        });
        ulong* stack = (ulong*)guest.At(bottom);
        (stack[0], stack[1], stack[2], stack[3]) = (1, 2, 3, GuestProcessor.Code + 0x40);
        *guest.At(GuestProcessor.Code + 0x40) = 0xF4;
        guest.State.Gprs[Gpr.Rsp] = bottom;

        guest.Run();

        Assert.Equal((1UL, 2UL, 3UL), (guest.State.Gprs[Gpr.Rbx], guest.State.Gprs[14], guest.State.Gprs[12]));
        Assert.Equal((bottom + 48, GuestProcessor.Code + 0x41), (guest.State.Gprs[Gpr.Rsp], guest.State.Rip));
    }

    [Fact]
    public void Pop_ThirdOfARunReachesMissingPage_FaultsThere()
    {
        using GuestProcessor guest = new();
        Place(guest, a =>
        {
            a.pop(rax);
            a.pop(r15);
            a.pop(rcx);
            a.ret();
        });
        ulong* stack = (ulong*)guest.At(EndOfMemory - 16);
        (stack[0], stack[1]) = (7, 8);
        guest.State.Gprs[Gpr.Rsp] = EndOfMemory - 16;
        guest.State.Gprs[Gpr.Rcx] = 9;

        guest.Run();

        // The frame ends at the old RSP: SS, RSP, RFLAGS, CS, RIP, error code.
        ulong* frame = (ulong*)guest.At(EndOfMemory - 48);
        Assert.Equal((int)ExceptionVector.PageFault, guest.Fault);
        Assert.Equal((EndOfMemory, EndOfMemory), (guest.State.Cr2, frame[4]));
        Assert.Equal(GuestProcessor.Code + 3, frame[1]);
        Assert.Equal((7UL, 8UL, 9UL), (guest.State.Gprs[Gpr.Rax], guest.State.Gprs[15], guest.State.Gprs[Gpr.Rcx]));
    }

    [Fact]
    public void Ret_ToNonCanonicalAddressBehindPops_FaultsAtTheReturn()
    {
        using GuestProcessor guest = new();
        Place(guest, a =>
        {
            a.pop(rax);
            a.pop(rcx);
            a.ret();
        });
        ulong bottom = GuestProcessor.Data + 0x100;
        ulong* stack = (ulong*)guest.At(bottom);
        (stack[0], stack[1], stack[2]) = (1, 2, 0x8000_0000_0000_0000);
        guest.State.Gprs[Gpr.Rsp] = bottom;

        guest.Run();

        ulong* frame = (ulong*)guest.At(guest.State.Gprs[Gpr.Rsp]);
        Assert.Equal((int)ExceptionVector.GeneralProtection, guest.Fault);
        Assert.Equal((GuestProcessor.Code + 2, bottom + 16), (frame[1], frame[4]));
        Assert.Equal((1UL, 2UL), (guest.State.Gprs[Gpr.Rax], guest.State.Gprs[Gpr.Rcx]));
    }

    private static void Place(GuestProcessor guest, Action<Assembler> code) =>
        guest.Place(GuestProcessor.Code, [.. HostCodePage.Assemble(code, GuestProcessor.Code), 0xF4]);
}
