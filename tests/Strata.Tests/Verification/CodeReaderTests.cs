using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Machines.Boards;
using Strata.Verification;
using Strata.X86.Registers;

namespace Strata.Tests.Verification;

/// <summary>Which flags are undefined behind a run of instructions, in real mode from address 0.</summary>
public sealed class CodeReaderTests : IDisposable
{
    private readonly GuestMemory _memory = new(1 << 20);
    private readonly AddressSpace _space = new();

    public CodeReaderTests() => PcBoard.MapRam(_space, _memory);

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void UndefinedFlags_ShiftBehindABranchThatWasTaken_HaveItsOverflow()
    {
        X86CpuState state = Code([0x74, 0x02, 0x90, 0x90, 0xC1, 0xE8, 0x05]); // jz over two NOPs; shr ax, 5

        ulong undefined = CodeReader.UndefinedFlags(_space, state, count: 2, end: 7);

        Assert.Equal(RFlags.OF, undefined & RFlags.OF);
    }

    [Fact]
    public void UndefinedFlags_AdditionBehindAShift_AreNone()
    {
        X86CpuState state = Code([0xC1, 0xE8, 0x05, 0x01, 0xC8]); // shr ax, 5; add ax, cx

        Assert.Equal(0UL, CodeReader.UndefinedFlags(_space, state, count: 2, end: 5));
    }

    [Fact]
    public void UndefinedFlags_ShiftOnOneOfTwoWays_HaveItsOverflow()
    {
        X86CpuState state = Code([0x74, 0x03, 0xC1, 0xE8, 0x05, 0x90]); // jz over a shift of ax by 5; nop

        Assert.Equal(RFlags.OF, CodeReader.UndefinedFlags(_space, state, count: 3, end: 6) & RFlags.OF);
        Assert.Equal(0UL, CodeReader.UndefinedFlagsAt(_space, state, count: 3, rip: 2));
    }

    [Fact]
    public void UndefinedFlags_ShiftBehindACallWhosePlaceWasUsedAnew_HaveItsOverflow()
    {
        X86CpuState state = Code([0xE8, 0x04, 0x00, 0xC1, 0xE8, 0x05, 0x90, 0xC3]); // call to the last byte, ret; shr ax, 5; nop
        state.Rsp = 0x100;

        Assert.Equal(RFlags.OF, CodeReader.UndefinedFlagsAt(_space, state, count: 3, rip: 6) & RFlags.OF);
        Assert.Equal(0UL, CodeReader.UndefinedFlagsAt(_space, state, count: 3, rip: 3));
    }

    [Fact]
    public void UndefinedFlags_ShiftBehindTheSecondCallOfAFunction_HaveItsOverflow()
    {
        X86CpuState state = Code([0xE8, 0x07, 0x00, 0xE8, 0x04, 0x00, 0xC1, 0xE8, 0x05, 0x90, 0xC3]); // two calls of ret; shr ax, 5; nop
        state.Rsp = 0x100;

        Assert.Equal(RFlags.OF, CodeReader.UndefinedFlagsAt(_space, state, count: 5, rip: 9) & RFlags.OF);
    }

    [Fact]
    public void UndefinedFlags_DivisionBehindAReturnToACallerBefore_AreAll()
    {
        X86CpuState state = Code([0x83, 0xC4, 0x02, 0x58, 0xC3, 0x90, 0xF7, 0xF1]); // add sp, 2; pop ax; ret; nop; div cx
        state.Rsp = 0x100;
        _memory.Slice(0x104, 1)[0] = 6;

        Assert.Equal(RFlags.Arithmetic, CodeReader.UndefinedFlags(_space, state, count: 4, end: 8));
    }

    [Fact]
    public void UndefinedFlags_DivisionBeforeAReturnFromAStackThatIsNotKnown_AreAll()
    {
        X86CpuState state = Code([0xF7, 0xF1, 0x8B, 0xE5, 0xC3]); // div cx; mov sp, bp; ret
        state.Rsp = 0x100;

        Assert.Equal(RFlags.Arithmetic, CodeReader.UndefinedFlags(_space, state, count: 3, end: 0x1234));
    }

    [Fact]
    public void UndefinedFlags_Loop_Ends()
    {
        X86CpuState state = Code([0xC1, 0xE8, 0x05, 0xEB, 0xFB]); // shr ax, 5; jmp to it

        Assert.Equal(RFlags.OF, CodeReader.UndefinedFlags(_space, state, count: 1000, end: 3) & RFlags.OF);
    }

    private X86CpuState Code(ReadOnlySpan<byte> code)
    {
        code.CopyTo(_memory.Slice(0, code.Length));
        return new X86CpuState();
    }
}
