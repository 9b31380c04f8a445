using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>
/// 32-bit code where it meets 64-bit code, segment bases and the end of memory. Intel SDM Vol. 1, "Operating Modes"; Vol. 3A,
/// "Compatibility Mode".
/// </summary>
public sealed unsafe class ThirtyTwoBitTests
{
    private const ulong Function = 0x9000;
    private const ulong Narrow = 0xA000;

    /// <summary>48H is DEC EAX in 32-bit code and a prefix in 64-bit code.</summary>
    [Fact]
    public void SameCode_BothModes_IsDecodedForEach()
    {
        using SystemMachine machine = new(GuestMode.Long, paging: GuestPaging.FourLevel);
        machine.PlaceBytes(Function, [0x48, 0xFF, 0xC0, 0xC3]); // INC RAX; RET, or DEC EAX; INC EAX; RET
        machine.Place(Narrow, a =>
        {
            a.call(Function);
            a.call(Function);
            a.dec(eax);
        }, bitness: 32);

        machine.Start(a =>
        {
            a.call(Function);
            a.call(Function);
            a.push(Selector.Code32);
            a.push((int)Narrow);
            a.db(0x48, 0xCB); // RETFQ
        });

        machine.AssertNoEvent();
        Assert.Equal(1UL, machine.State.Gprs[Gpr.Rax]);
    }

    [Theory]
    [InlineData(GuestMode.Compatibility, GuestPaging.FourLevel)]
    [InlineData(GuestMode.Protected32, GuestPaging.Off)]
    [InlineData(GuestMode.Protected32, GuestPaging.Pae)]
    public void Address_RegistersHaveUpperHalves_IsCutTo32Bits(GuestMode mode, GuestPaging paging)
    {
        using SystemMachine machine = new(mode, paging: paging);
        machine.State.Gprs[Gpr.Rbx] = 0x1234_5678_FFFF_FFF0;
        machine.State.Gprs[Gpr.Rcx] = 0x7FFF_0000_0000_0000 | (SystemMachine.Data / 4);
        machine.Dword(SystemMachine.Data) = 0xCAFE_F00D;

        machine.Start(a => a.mov(eax, __dword_ptr[ebx + (ecx * 4) + 0x10]));

        machine.AssertNoEvent();
        Assert.Equal(0xCAFE_F00DUL, machine.State.Gprs[Gpr.Rax]);
        Assert.Equal(0x1234_5678_FFFF_FFF0UL, machine.State.Gprs[Gpr.Rbx]);
    }

    [Fact]
    public void Push_StackPointerHasUpperHalf_WritesFourBytesAndClearsIt()
    {
        using SystemMachine machine = new(GuestMode.Compatibility, paging: GuestPaging.FourLevel);
        machine.State.Gprs[Gpr.Rsp] |= 0xFFFF_FFFF_0000_0000;
        machine.Quad(SystemMachine.Stack - 8) = ulong.MaxValue;

        machine.Start(a =>
        {
            a.push(0x55);
            a.pop(ebx);
            a.push(ebx);
        });

        machine.AssertNoEvent();
        Assert.Equal(SystemMachine.Stack - 4, machine.State.Gprs[Gpr.Rsp]);
        Assert.Equal((0x55U, uint.MaxValue), (machine.Dword(SystemMachine.Stack - 4), machine.Dword(SystemMachine.Stack - 8)));
    }

    [Theory]
    [InlineData(0x40UL, SystemMachine.Data)]
    [InlineData(0xFFFF_F000UL, SystemMachine.Data + 0x1000)] // wraps at 4 GiB
    public void SegmentOverride_BaseIsNotZero_Adds(ulong segmentBase, ulong offset)
    {
        using SystemMachine machine = new(GuestMode.Protected32, paging: GuestPaging.Pae);
        machine.State.Gs.Base = segmentBase;
        machine.State.Gprs[Gpr.Rbx] = offset;
        machine.Dword((segmentBase + offset) & uint.MaxValue) = 0x1357_9BDF;

        machine.Start(a =>
        {
            a.mov(eax, __dword_ptr.gs[ebx]);
            a.inc(eax);
            a.mov(__dword_ptr.gs[ebx], eax);
        });

        machine.AssertNoEvent();
        Assert.Equal(0x1357_9BE0U, machine.Dword((segmentBase + offset) & uint.MaxValue));
    }

    [Theory]
    [InlineData(SegmentState.Unusable, 0u)]
    [InlineData(0u, SegmentState.ReadableOrWritable)]
    public void SegmentOverride_SegmentForbidsWrites_GeneralProtects(uint set, uint clear)
    {
        using SystemMachine machine = new(GuestMode.Compatibility, cpl: 3, paging: GuestPaging.FourLevel);
        machine.State.Fs.Attributes = (machine.State.Fs.Attributes | set) & ~clear;

        machine.Start(a => a.mov(__dword_ptr.fs[ebx], eax));

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
    }

    /// <summary>Blocks translated while DS was flat must not run when it is not.</summary>
    [Fact]
    public void Load_DataSegmentGetsABase_UsesIt()
    {
        using SystemMachine machine = new(GuestMode.Protected32, paging: GuestPaging.Pae);
        machine.SetDescriptor(Selector.Free, 0x100, 0xFFFFF, SystemMachine.DataAccess, SystemMachine.Flags32);
        machine.Place(Function, a =>
        {
            a.mov(eax, __dword_ptr[(int)SystemMachine.Data]);
            a.ret();
        }, bitness: 32);
        machine.Dword(SystemMachine.Data) = 1;
        machine.Dword(SystemMachine.Data + 0x100) = 2;

        machine.Start(a =>
        {
            a.call(Function);
            a.mov(esi, eax);
            a.mov(ecx, Selector.Free);
            a.mov(ds, ecx);
            a.call(Function);
        });

        machine.AssertNoEvent();
        Assert.Equal((1UL, 2UL), (machine.State.Gprs[Gpr.Rsi], machine.State.Gprs[Gpr.Rax]));
    }

    [Fact]
    public void ByteRegister_HighHalfWithMemory_MovesThatByte()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.State.Gprs[Gpr.Rax] = 0x1122_3344;
        machine.State.Gprs[Gpr.Rcx] = 0x5566_7788;
        machine.Quad(SystemMachine.Data) = 0xEE;

        machine.Start(a =>
        {
            a.mov(__byte_ptr[ebx + 1], ah);
            a.xchg(__byte_ptr[ebx], ch);
            a.cmp(ch, __byte_ptr[ebx + 2]);
            a.seta(__byte_ptr[ebx + 3]);
        });

        machine.AssertNoEvent();
        Assert.Equal(0x0100_3377UL, machine.Quad(SystemMachine.Data));
        Assert.Equal((0x1122_3344UL, 0x5566_EE88UL), (machine.State.Gprs[Gpr.Rax], machine.State.Gprs[Gpr.Rcx]));
    }

    [Theory]
    [InlineData(GuestMode.Long)]
    [InlineData(GuestMode.Compatibility)]
    [InlineData(GuestMode.Protected32)]
    public void StringInstructions_WithoutRepeat_MoveOneElement(GuestMode mode)
    {
        using SystemMachine machine = new(mode);
        machine.State.Gprs[Gpr.Rsi] = SystemMachine.Data;
        machine.State.Gprs[Gpr.Rdi] = SystemMachine.Data + 0x100;
        machine.Quad(SystemMachine.Data) = 0x0807_0605_0403_0201;

        machine.Start(a =>
        {
            a.lodsb();
            a.lodsw();
            a.stosd();
            a.movsb();
            a.scasb();
            a.cmpsb();
        });

        machine.AssertNoEvent();
        Assert.Equal(0x04_0000_0302UL, machine.Quad(SystemMachine.Data + 0x100));
        Assert.Equal((SystemMachine.Data + 5, SystemMachine.Data + 0x107), (machine.State.Gprs[Gpr.Rsi], machine.State.Gprs[Gpr.Rdi]));
        Assert.Equal(0UL, machine.State.Rflags & (RFlags.ZF | RFlags.CF)); // 05H was compared with 0
    }

    /// <summary>REP moves whole pages at once where segments are flat: one with a base gets the bytes where its base is.</summary>
    [Theory]
    [InlineData(0u)]
    [InlineData(0x2000u)]
    public void RepMovsd_AcrossPages_GoesToTheSegment(uint address)
    {
        const ushort custom = Selector.Free;
        const ulong there = SystemMachine.Data + 0x4000 - 8;
        using SystemMachine machine = new(GuestMode.Protected32, 0);
        machine.SetDescriptor(custom, address, 0xFFFFF, SystemMachine.DataAccess, SystemMachine.Flags32);
        machine.State.Es = machine.SegmentOf(custom);
        machine.State.Gprs[Gpr.Rsi] = SystemMachine.Data + 0xFFC;
        machine.State.Gprs[Gpr.Rdi] = there;
        machine.State.Gprs[Gpr.Rcx] = 6;
        for (uint i = 0; i < 6; i++)
        {
            machine.Dword(SystemMachine.Data + 0xFFC + (i * 4)) = 100 + i;
        }

        machine.Start(a => a.rep.movsd());

        Assert.Equal((100u, 105u), (machine.Dword(there + address), machine.Dword(there + address + 20)));
        Assert.Equal(
            (0UL, SystemMachine.Data + 0x1014, there + 24),
            (machine.State.Gprs[Gpr.Rcx], machine.State.Gprs[Gpr.Rsi], machine.State.Gprs[Gpr.Rdi]));
    }
}
