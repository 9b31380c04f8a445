using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>
/// Virtual-8086 mode, IOPL and the I/O permission bitmap. Intel SDM Vol. 3B, "8086 Emulation", Vol. 1, "I/O Permission Bit Map".
/// </summary>
public sealed unsafe class Virtual8086Tests
{
    private const int GP = (int)ExceptionVector.GeneralProtection;
    private const int Exit = (int)ExceptionVector.InvalidOpcode;

    [Theory]
    [InlineData(new byte[] { 0xFA })] // CLI
    [InlineData(new byte[] { 0xFB })] // STI
    [InlineData(new byte[] { 0x9C })] // PUSHF
    [InlineData(new byte[] { 0x9D })] // POPF
    [InlineData(new byte[] { 0xCD, 0x21 })] // INT 21H
    [InlineData(new byte[] { 0xCD, 0x03 })] // INT 3 in two bytes is an INT n
    [InlineData(new byte[] { 0xCF })] // IRET
    public void SensitiveInstruction_IoplBelowThree_IsGeneralProtection(byte[] code)
    {
        using SystemMachine machine = new(GuestMode.Virtual8086);
        machine.State.Rflags |= 2UL << 12;
        machine.SetGate(0x21, SystemMachine.Handlers + 0x210, Selector.Code32, dpl: 3);
        machine.SetGate(3, SystemMachine.Handlers + 0x30, Selector.Code32, dpl: 3);

        machine.Start(a => a.db(code));

        machine.AssertEvent(ExceptionVector.GeneralProtection, 0, 0);
        Assert.NotEqual(0UL, machine.Frame.Rflags & RFlags.VM);
        Assert.Equal(SystemMachine.InnerStack - 40, machine.State.Gprs[Gpr.Rsp]);
    }

    [Fact]
    public void Int3_IoplBelowThree_IsNotSensitive()
    {
        using SystemMachine machine = new(GuestMode.Virtual8086);
        machine.SetGate(3, SystemMachine.Handlers + 0x30, Selector.Code32, dpl: 3);

        machine.Start(a => a.int3());

        machine.AssertEvent(ExceptionVector.Breakpoint, null, 1);
    }

    [Theory]
    [InlineData(0u, GP, (0x21 * 8) + 2u)]
    [InlineData(3u, 0x21, 0u)]
    public void SoftwareInterrupt_IoplThree_NeedsGateDplThree(uint dpl, int vector, uint error)
    {
        using SystemMachine machine = new(GuestMode.Virtual8086);
        machine.State.Rflags |= RFlags.IOPL;
        machine.SetGate(0x21, SystemMachine.Handlers + 0x210, Selector.Code32, dpl: dpl);

        machine.Start(a => a.@int(0x21));

        machine.AssertEvent((ExceptionVector)vector, vector == GP ? error : null, vector == GP ? 0u : 2u);
    }

    [Theory]
    [InlineData(Selector.Ring1Code32 & ~3)]
    [InlineData(Selector.ConformingCode32)]
    public void Delivery_HandlerNotPrivilegeZero_IsGeneralProtectionWithSelector(int code)
    {
        using SystemMachine machine = new(GuestMode.Virtual8086);
        machine.State.Rflags |= RFlags.IOPL;
        machine.SetGate(0x21, SystemMachine.Handlers, (ushort)code, dpl: 3);

        machine.Start(a => a.@int(0x21));

        machine.AssertEvent(ExceptionVector.GeneralProtection, (uint)code, 0);
    }

    [Fact]
    public void Delivery_DataSegments_ArePushedAndCleared()
    {
        using SystemMachine machine = new(GuestMode.Virtual8086);
        machine.State.Fs.Selector = 0x1234;

        machine.Start(a => a.ud2());

        Assert.Equal((0x4000u, 0x4000u, 0x1234u, 0x4000u), (
            machine.Dword(SystemMachine.InnerStack - 16), machine.Dword(SystemMachine.InnerStack - 12),
            machine.Dword(SystemMachine.InnerStack - 8), machine.Dword(SystemMachine.InnerStack - 4)));
        Assert.Equal(
            (0, 0, 0, 0), (machine.State.Es.Selector, machine.State.Ds.Selector, machine.State.Fs.Selector, machine.State.Gs.Selector));
    }

    [Fact]
    public void Popf_IoplThree_KeepsIoplAndVm()
    {
        using SystemMachine machine = new(GuestMode.Virtual8086);
        machine.State.Rflags |= RFlags.IOPL;

        machine.Start(a =>
        {
            a.push((short)0x0201);
            a.popf();
            a.ud2();
        });

        Assert.Equal(Exit, machine.Vector);
        Assert.Equal(2 | RFlags.CF | RFlags.IF | RFlags.IOPL | RFlags.VM | RFlags.RF, machine.Frame.Rflags);
    }

    [Theory]
    [InlineData(0UL, GP)]
    [InlineData(RFlags.IOPL, Exit)]
    public void Cli_ProtectedModeUser_ObeysIopl(ulong iopl, int vector)
    {
        using SystemMachine machine = new(GuestMode.Long, 3);
        machine.State.Rflags |= RFlags.IF | iopl;

        machine.Start(a =>
        {
            a.cli();
            a.ud2();
        });

        Assert.Equal(vector, machine.Vector);
        Assert.Equal(vector == GP, (machine.Frame.Rflags & RFlags.IF) != 0);
    }

    [Fact]
    public void Popf_ProtectedModeUserWithoutIopl_SilentlyKeepsIfAndIopl()
    {
        using SystemMachine machine = new(GuestMode.Long, 3);
        machine.State.Rflags |= RFlags.IF;

        machine.Start(a =>
        {
            a.push((int)(RFlags.IOPL | RFlags.CF));
            a.popfq();
            a.ud2();
        });

        Assert.Equal((Exit, 2 | RFlags.IF | RFlags.CF | RFlags.RF), (machine.Vector, machine.Frame.Rflags));
    }

    /// <summary>Bitmap at 68H with port 60H free, the others not; the word access to 60H also needs 61H.</summary>
    [Theory]
    [InlineData(GuestMode.Long, 0x60, 1, 0UL, Exit)]
    [InlineData(GuestMode.Long, 0x61, 1, 0UL, GP)]
    [InlineData(GuestMode.Long, 0x60, 2, 0UL, GP)]
    [InlineData(GuestMode.Long, 0x70, 4, 0UL, Exit)]
    [InlineData(GuestMode.Long, 0x73, 4, 0UL, GP)]
    [InlineData(GuestMode.Long, 0x61, 1, RFlags.IOPL, Exit)]
    [InlineData(GuestMode.Protected32, 0x60, 1, 0UL, Exit)]
    [InlineData(GuestMode.Protected32, 0x61, 1, 0UL, GP)]
    [InlineData(GuestMode.Virtual8086, 0x60, 1, 0UL, Exit)]
    [InlineData(GuestMode.Virtual8086, 0x61, 1, RFlags.IOPL, GP)] // the bitmap counts whatever IOPL is
    public void PortAccess_Bitmap_AllowsClearBits(GuestMode mode, int port, int size, ulong iopl, int vector)
    {
        using SystemMachine machine = new(mode, 3);
        machine.State.Rflags |= iopl;
        machine.Word(SystemMachine.Tss + 0x66) = 0x68;
        new Span<byte>(machine.At(SystemMachine.Tss + 0x68), 32).Fill(0xFF);
        *machine.At(SystemMachine.Tss + 0x68 + 12) = 0xFE;
        *machine.At(SystemMachine.Tss + 0x68 + 14) = 0xC0; // 70H..75H

        machine.Start(a =>
        {
            switch (size)
            {
                case 1:
                    a.@in(al, (byte)port);
                    break;
                case 2:
                    a.@in(ax, (byte)port);
                    break;
                default:
                    a.@in(eax, (byte)port);
                    break;
            }

            a.ud2();
        });

        Assert.Equal((vector, vector == GP ? 0u : null), (machine.Vector, machine.Frame.ErrorCode));
    }

    [Theory]
    [InlineData(0x68 + 12 + 1, Exit)]
    [InlineData(0x68 + 12, GP)] // the second of the two bytes that are always read
    [InlineData(0x66, GP)]
    public void PortAccess_BitmapBeyondTssLimit_IsGeneralProtection(int limit, int vector)
    {
        using SystemMachine machine = new(GuestMode.Long, 3);
        machine.Word(SystemMachine.Tss + 0x66) = 0x68;
        machine.State.Tr.Limit = (uint)limit;

        machine.Start(a =>
        {
            a.@in(al, 0x60);
            a.ud2();
        });

        Assert.Equal(vector, machine.Vector);
    }

    [Fact]
    public void RealModeInterrupt_AndIret_RoundTrip()
    {
        using SystemMachine machine = new(GuestMode.Real);
        machine.State.Rflags |= RFlags.IF | RFlags.CF;
        machine.Dword(0x21 * 4) = 0x0900_0010;
        machine.PlaceBytes(0x9010, [0x9C, 0x59, 0xCF]); // PUSHF; POP CX; IRET

        machine.Start(a =>
        {
            a.@int(0x21);
            a.nop();
        });

        machine.AssertNoEvent();
        Assert.Equal(2 | RFlags.CF, machine.State.Gprs[Gpr.Rcx]);
        Assert.Equal(2 | RFlags.CF | RFlags.IF, machine.State.Rflags);
        Assert.Equal(SystemMachine.Code + 4, machine.State.Rip);
        Assert.Equal(SystemMachine.Stack, machine.State.Gprs[Gpr.Rsp]);
    }
}
