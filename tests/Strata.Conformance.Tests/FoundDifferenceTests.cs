using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Translator;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Conformance.Tests;

/// <summary>What <see cref="InstructionStreamTests"/> has found, each in its smallest form, on the translator.</summary>
public sealed unsafe class FoundDifferenceTests
{
    private const ulong Misaligned = 8;

    /// <summary>A register that lives in the translator's frame.</summary>
    private const int R14 = 14;

    /// <summary>Addresses just above zero matched the tag of an empty entry of the TLB: host memory was read.</summary>
    [Theory]
    [InlineData(0UL)]
    [InlineData(0x40UL)]
    [InlineData(0xFE0UL)]
    [InlineData(ulong.MaxValue)]
    public void Load_EntryOfTlbIsEmpty_PageFaults(ulong address)
    {
        using SystemMachine machine = Create(cpl: 3);
        machine.State.Gprs[Gpr.Rbx] = address;

        machine.Start(a => a.mov(al, __byte_ptr[rbx]));

        Assert.Equal((int)ExceptionVector.PageFault, machine.Vector);
        Assert.Equal(address, machine.State.Cr2);
    }

    [Fact]
    public void AlignedVectorLoad_AddressIsMisalignedAndNotMapped_GeneralProtects()
    {
        using SystemMachine machine = Create(cpl: 3);
        machine.ChangePte(SystemMachine.UserData, 0, 1);
        machine.State.Cr4 |= Cr4.OSFXSR;
        machine.State.Gprs[Gpr.Rbx] = SystemMachine.UserData + Misaligned;

        machine.Start(a => a.paddsw(xmm1, __xmmword_ptr[rbx]));

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
    }

    /// <summary>The host may have more than the guest is offered, or less.</summary>
    [Fact]
    public void KeyLockerInstruction_NotOffered_IsUndefined()
    {
        using SystemMachine machine = Create(cpl: 0);

        machine.PlaceBytes(SystemMachine.Code, [0xF3, 0x0F, 0x38, 0xDC, 0xD6]); // loadiwkey xmm2, xmm6
        machine.Run();

        machine.AssertFault(ExceptionVector.InvalidOpcode);
    }

    [Fact]
    public void Fault_FlagsAreOverwrittenByTheFaultingInstruction_FrameHasTheOnesBefore()
    {
        using SystemMachine machine = Create(cpl: 0);
        machine.State.Gprs[Gpr.Rbx] = 0x8000_0000;

        machine.Start(a =>
        {
            a.stc();
            a.add(__byte_ptr[rbx], al);
        });

        Assert.Equal(RFlags.CF, machine.Frame.Rflags & RFlags.CF);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Return_OperandSizePrefix_PopsEightBytes(bool translate)
    {
        using SystemMachine machine = translate ? Create(cpl: 0) : new SystemMachine(GuestMode.Long);
        machine.State.Gprs[Gpr.Rsp] = SystemMachine.Stack - 64;
        machine.Quad(SystemMachine.Stack - 64) = SystemMachine.Code + 0x100;
        *machine.At(SystemMachine.Code + 0x100) = 0xF4;

        machine.PlaceBytes(SystemMachine.Code, [0x66, 0xC2, 0x10, 0x00]); // ret 10h
        machine.Run();

        Assert.Equal(SystemMachine.Stack - 64 + 8 + 0x10, machine.State.Gprs[Gpr.Rsp]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Emms_TopIsNotZero_ClearsTop(bool translate)
    {
        using SystemMachine machine = translate ? Create(cpl: 0) : new SystemMachine(GuestMode.Long);
        machine.State.Fsw = 3 << 11;

        machine.Start(a => a.emms());

        Assert.Equal(0, machine.State.Fsw);
    }

    [Fact]
    public void Sti_RunEndsBehindIt_InterruptsAreOffForOneMoreInstruction()
    {
        using SystemMachine machine = new(
            GuestMode.Long, createEngine: wiring => new Translator(wiring, new TranslatorOptions { CountInstructions = true }));
        machine.Place(SystemMachine.Code, a =>
        {
            a.sti();
            a.nop();
        });
        machine.Cpu.SetState(machine.State);

        machine.Engine.Run(1);
        InterruptShadow behindSti = machine.Cpu.State.Shadow;
        machine.Engine.Run(1);

        Assert.NotEqual(InterruptShadow.None, behindSti);
        Assert.Equal(InterruptShadow.None, machine.Cpu.State.Shadow);
    }

    /// <summary>The return address had been written below RSP when the fault was raised.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Call_TargetIsNotCanonical_WritesNothing(bool memory)
    {
        using SystemMachine machine = Create(cpl: 3);
        const ulong target = 0x0000_8000_0000_0000;
        ulong slot = machine.State.Gprs[Gpr.Rsp] - 8;
        machine.Quad(slot) = 42;
        machine.Quad(SystemMachine.UserData) = target;
        machine.State.Gprs[Gpr.Rbx] = SystemMachine.UserData;
        machine.State.Gprs[R14] = target;

        machine.Start(a => EmitCall(a, memory));

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
        Assert.Equal(42UL, machine.Quad(slot));
    }

    /// <summary>
    /// The interpreter ended its search for prefixes at the first REX, though one before other prefixes counts for nothing.
    /// </summary>
    [Fact]
    public void AddressSizePrefix_BehindAnIgnoredRex_Counts()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.Quad(SystemMachine.Data) = 42;
        machine.State.Gprs[Gpr.Rbx] = 0xABCD_0000_0000_0000 | SystemMachine.Data;
        machine.PlaceBytes(machine.Entry, [0x46, 0x67, 0x48, 0x8B, 0x03]); // mov rax, [ebx]

        machine.Run();

        machine.AssertNoEvent();
        Assert.Equal(42UL, machine.State.Gprs[Gpr.Rax]);
    }

    /// <summary>One more instruction, or a block of them, was executed behind the shutdown.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Interrupt_CannotBeDelivered_NothingMoreIsExecuted(bool translate)
    {
        using SystemMachine machine = translate ? Create(cpl: 0) : new SystemMachine(GuestMode.Long);
        machine.Place(machine.Entry, a => a.inc(eax));
        machine.State.Idtr.Limit = 0;
        machine.State.Rflags |= RFlags.IF;
        machine.State.Gprs[Gpr.Rax] = 41;
        machine.Cpu.SetState(machine.State);
        machine.Apic.Vector = 0x40;

        Core.Execution.VcpuStop stop = machine.Engine.Run(1000);

        Assert.Equal((Core.Execution.VcpuStop.Shutdown, 41UL), (stop, machine.Cpu.State.Gprs[Gpr.Rax]));
    }

    [Fact]
    public void LockedOperation_StackAddressIsNotCanonical_IsAStackFault()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Gprs[Gpr.Rbp] = 0x0000_8000_0000_0000;

        machine.Start(a => a.@lock.sbb(__byte_ptr[rbp], bl));

        machine.AssertFault(ExceptionVector.StackFault, 0);
    }

    /// <summary>EXTRACTPS with REX.W writes 64 bits to a register, and 32 to memory: the register's place was used as memory.</summary>
    [Fact]
    public void Extractps_RegisterLivesInTheFrame_ClearsItsUpperHalf()
    {
        using SystemMachine machine = Create(cpl: 0);
        machine.State.Cr4 |= Cr4.OSFXSR;
        machine.State.Gprs[R14] = ulong.MaxValue;

        machine.Start(a => a.extractps(r14, xmm1, 0));

        machine.AssertNoEvent();
        Assert.Equal(0UL, machine.State.Gprs[R14]);
    }

    /// <summary>The distance of the selected word counts before the address is cut to 32 bits.</summary>
    [Fact]
    public void BitString_AddressSizeIs32_WrapsWithTheDistance()
    {
        using SystemMachine machine = Create(cpl: 0);
        machine.Dword(SystemMachine.Data) = 1;
        machine.State.Gprs[Gpr.Rbx] = SystemMachine.Data + 0xF000_0000;
        machine.State.Gprs[Gpr.Rcx] = 0x1000_0000 * 8UL;

        machine.Start(a => a.btr(__qword_ptr[ebx], rcx));

        machine.AssertNoEvent();
        Assert.Equal(0U, machine.Dword(SystemMachine.Data));
    }

    private static void EmitCall(Assembler a, bool memory)
    {
        if (memory)
        {
            a.call(__qword_ptr[rbx]);
        }
        else
        {
            a.call(r14);
        }
    }

    private static SystemMachine Create(int cpl) =>
        new(GuestMode.Long, cpl, createEngine: wiring => new Translator(wiring, new TranslatorOptions { ExactFlags = true }));
}
