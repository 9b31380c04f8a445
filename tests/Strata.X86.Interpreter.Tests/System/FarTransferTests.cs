using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>Far JMP, CALL and RET, call gates. Intel SDM Vol. 3A, "Accessing Code Segments" and Vol. 2A, "CALL", "JMP".</summary>
public sealed unsafe class FarTransferTests
{
    private const ulong Target = 0x9000;
    private const ulong UserTarget = SystemMachine.UserCode + 0x1000;
    private const int None = -1;
    private const int GP = (int)ExceptionVector.GeneralProtection;
    private const int NP = (int)ExceptionVector.SegmentNotPresent;

    [Theory]
    [InlineData(Selector.Code32, None, 0u)]
    [InlineData(Selector.Code32 | 3, GP, (uint)Selector.Code32)]
    [InlineData(Selector.UserCode32, GP, 0x30u)]
    [InlineData(Selector.ConformingCode32, None, 0u)]
    [InlineData(Selector.Data, GP, (uint)Selector.Data)]
    [InlineData(Selector.AbsentCode32, NP, (uint)Selector.AbsentCode32)]
    [InlineData(Selector.Ldt, GP, (uint)Selector.Ldt)]
    [InlineData(Selector.Tss, GP, (uint)Selector.Tss)] // busy
    [InlineData(0, GP, 0u)]
    [InlineData(0x400, GP, 0x400u)]
    public void FarJump_CodeSelector_IsChecked(int selector, int vector, uint error)
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.PlaceBytes(Target, [0x90]);

        machine.Start(a => a.db(0xEA, 0x00, 0x90, 0, 0, (byte)selector, (byte)(selector >> 8)));

        Assert.Equal((vector, vector == None ? null : error), (machine.Vector, machine.Frame.ErrorCode));
        Assert.Equal(vector == None ? Target + 2 : SystemMachine.Code, vector == None ? machine.State.Rip : machine.Frame.Rip);
    }

    [Fact]
    public void FarJump_ToConformingFromUser_KeepsPrivilege()
    {
        using SystemMachine machine = new(GuestMode.Protected32, 3);
        machine.PlaceBytes(UserTarget, [0x0F, 0x0B]);

        machine.Start(a => a.db(0xEA, 0x00, 0x10, 0x04, 0, (byte)Selector.ConformingCode32, 0));

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, UserTarget);
        Assert.Equal(Selector.ConformingCode32 | 3, machine.Frame.Cs);
    }

    [Fact]
    public void FarJump_BeyondLimit_IsGeneralProtectionZero()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.SetDescriptor(Selector.Free, 0, 0x8FFF, SystemMachine.CodeAccess, 4);

        machine.Start(a => a.db(0xEA, 0x00, 0x90, 0, 0, (byte)Selector.Free, 0));

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
    }

    [Fact]
    public void FarCallAndReturn_SamePrivilege_RoundTrips()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.PlaceBytes(Target, [0x8B, 0x0C, 0x24, 0x8B, 0x54, 0x24, 0x04, 0xCA, 0x08, 0x00]); // MOV ECX,[ESP]; MOV EDX,[ESP+4]; RETF 8

        machine.Start(a => a.db(0x9A, 0x00, 0x90, 0, 0, (byte)Selector.Code32, 0));

        machine.AssertNoEvent();
        Assert.Equal((SystemMachine.Code + 7, (ulong)Selector.Code32), (machine.State.Gprs[Gpr.Rcx], machine.State.Gprs[Gpr.Rdx] & 0xFFFF));
        Assert.Equal(SystemMachine.Stack + 8, machine.State.Gprs[Gpr.Rsp]);
    }

    [Fact]
    public void FarCall_CallGateToInner_CopiesParametersAndReturnDropsBoth()
    {
        using SystemMachine machine = new(GuestMode.Protected32, 3);
        machine.SetCallGate(Selector.Free, Target, Selector.Code32, parameters: 2);
        machine.PlaceBytes(Target, [0x8B, 0x44, 0x24, 0x08, 0x8B, 0x4C, 0x24, 0x0C, 0x89, 0xE2, 0xCA, 0x08, 0x00]);

        machine.Start(a =>
        {
            a.push(0x11);
            a.push(0x22);
            a.db(0x9A, 0, 0, 0, 0, (byte)(Selector.Free | 3), 0);
            a.ud2();
        });

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, SystemMachine.UserCode + 11);
        Assert.Equal((0x22UL, 0x11UL), (machine.State.Gprs[Gpr.Rax], machine.State.Gprs[Gpr.Rcx]));
        Assert.Equal(SystemMachine.InnerStack - 24, machine.State.Gprs[Gpr.Rdx]);
        Assert.Equal(
            (SystemMachine.UserStack, Selector.UserData, Selector.UserCode32), (machine.Frame.Rsp, machine.Frame.Ss, machine.Frame.Cs));
    }

    [Fact]
    public void FarCall_LongModeCallGate_PushesQuadwordsAndNullStack()
    {
        using SystemMachine machine = new(GuestMode.Long, 3);
        machine.SetCallGate(Selector.Free, Target, Selector.Code64);
        machine.Dword(SystemMachine.UserData) = 0xDEADBEEF;
        machine.Word(SystemMachine.UserData + 4) = Selector.Free | 3;
        machine.PlaceBytes(Target, [0x90]);

        machine.Start(a => a.db(0xFF, 0x1B)); // CALL FAR [RBX]

        machine.AssertNoEvent();
        Assert.Equal((0, SystemMachine.InnerStack - 32), (machine.State.Ss.Selector, machine.State.Gprs[Gpr.Rsp]));
        Assert.Equal((SystemMachine.UserCode + 2, (ulong)Selector.UserCode64, SystemMachine.UserStack, (ulong)Selector.UserData),
            (machine.Quad(SystemMachine.InnerStack - 32), machine.Quad(SystemMachine.InnerStack - 24),
             machine.Quad(SystemMachine.InnerStack - 16), machine.Quad(SystemMachine.InnerStack - 8)));
    }

    [Theory]
    [InlineData(GuestMode.Protected32, 3, 2u, true, Selector.Code32, GP, (uint)Selector.Free)] // gate DPL
    [InlineData(GuestMode.Protected32, 3, 3u, false, Selector.Code32, NP, (uint)Selector.Free)]
    [InlineData(GuestMode.Protected32, 3, 3u, true, 0, GP, 0u)]
    [InlineData(GuestMode.Protected32, 3, 3u, true, Selector.Data, GP, (uint)Selector.Data)]
    [InlineData(GuestMode.Protected32, 3, 3u, true, Selector.AbsentCode32, NP, (uint)Selector.AbsentCode32)]
    [InlineData(GuestMode.Protected32, 0, 3u, true, Selector.UserCode32, GP, 0x30u)] // a call never goes outwards
    [InlineData(GuestMode.Long, 0, 3u, true, Selector.Code32, GP, (uint)Selector.Code32)] // the target must be 64-bit code
    public void FarCall_CallGate_IsChecked(GuestMode mode, int cpl, uint dpl, bool present, int code, int vector, uint error)
    {
        using SystemMachine machine = new(mode, cpl);
        machine.SetCallGate(Selector.Free, Target, (ushort)code, dpl: dpl, present: present);
        machine.Dword(machine.State.Gprs[Gpr.Rbx]) = 0;
        machine.Word(machine.State.Gprs[Gpr.Rbx] + 4) = (ushort)(Selector.Free | cpl);

        machine.Start(a => a.db(0xFF, 0x1B)); // CALL FAR [rBX]

        machine.AssertFault((ExceptionVector)vector, error);
    }

    [Theory]
    [InlineData(0x4u, 0u)] // 16-bit call gate
    [InlineData(0x5u, 0u)] // task gate
    [InlineData(0x9u, 0u)] // TSS
    [InlineData(0xCu, 0x100u)] // a type in the upper half
    public void FarCall_LongModeWrongDescriptor_IsGeneralProtection(uint type, uint upper)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.SetCallGate(Selector.Free, Target, Selector.Code64, type: type);
        machine.Dword(SystemMachine.Gdt + Selector.Free + 12) = upper;
        machine.Word(SystemMachine.Data + 4) = Selector.Free;

        machine.Start(a => a.db(0xFF, 0x1B));

        machine.AssertFault(ExceptionVector.GeneralProtection, Selector.Free);
    }

    [Fact]
    public void FarJump_CallGateToInner_IsRefused()
    {
        using SystemMachine machine = new(GuestMode.Protected32, 3);
        machine.SetCallGate(Selector.Free, Target, Selector.Code32);

        machine.Start(a => a.db(0xEA, 0, 0, 0, 0, (byte)(Selector.Free | 3), 0));

        machine.AssertFault(ExceptionVector.GeneralProtection, Selector.Code32);
    }

    [Theory]
    [InlineData(Selector.Code32, GP, (uint)Selector.Code32)] // from CPL 3 inwards: RPL below CPL
    [InlineData(0, GP, 0u)]
    [InlineData(Selector.UserData, GP, 0x20u)]
    public void FarReturn_Selector_IsChecked(int cs, int vector, uint error)
    {
        using SystemMachine machine = new(GuestMode.Protected32, 3);
        machine.State.Gprs[Gpr.Rsp] -= 8;
        machine.Dword(SystemMachine.UserStack - 8) = (uint)UserTarget;
        machine.Dword(SystemMachine.UserStack - 4) = (uint)cs;

        machine.Start(a => a.retf());

        machine.AssertFault((ExceptionVector)vector, error);
        Assert.Equal(SystemMachine.UserStack - 8, machine.Frame.Rsp);
    }

    [Fact]
    public void FarJump_FromCompatibilityToLong_ChangesMode()
    {
        using SystemMachine machine = new(GuestMode.Compatibility);
        machine.PlaceBytes(Target, [0x48, 0xFF, 0xC8]); // DEC RAX

        machine.Start(a => a.db(0xEA, 0x00, 0x90, 0, 0, (byte)Selector.Code64, 0));

        machine.AssertNoEvent();
        Assert.Equal(ulong.MaxValue, machine.State.Gprs[Gpr.Rax]);
    }

    [Fact]
    public void FarJump_RealMode_LoadsBaseFromSelector()
    {
        using SystemMachine machine = new(GuestMode.Real);
        machine.PlaceBytes(0x9234, [0x90]);

        machine.Start(a => a.db(0xEA, 0x34, 0x00, 0x20, 0x09));

        Assert.Equal((0x920, 0x9200UL, 0x36UL), (machine.State.Cs.Selector, machine.State.Cs.Base, machine.State.Rip));
    }
}
