using Iced.Intel;
using Strata.Core.Execution;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>Faults during delivery. Intel SDM Vol. 3A, "Interrupt 8—Double Fault Exception (#DF)".</summary>
public sealed unsafe class DoubleFaultTests
{
    private const ulong Unmapped = 0x200000;
    private const ushort BeyondGdt = 0xFFF8;

    [Theory]
    [InlineData(GuestMode.Long, ExceptionVector.DivideError, true)]
    [InlineData(GuestMode.Long, ExceptionVector.GeneralProtection, true)]
    [InlineData(GuestMode.Long, ExceptionVector.PageFault, true)]
    [InlineData(GuestMode.Long, ExceptionVector.InvalidOpcode, false)]
    [InlineData(GuestMode.Long, ExceptionVector.Debug, false)]
    [InlineData(GuestMode.Protected32, ExceptionVector.DivideError, true)]
    [InlineData(GuestMode.Protected32, ExceptionVector.GeneralProtection, true)]
    [InlineData(GuestMode.Protected32, ExceptionVector.InvalidOpcode, false)]
    [InlineData(GuestMode.Protected32, ExceptionVector.Debug, false)]
    public void Delivery_GateNotPresent_IsDoubleFaultOnlyForContributoryFirst(GuestMode mode, ExceptionVector first, bool doubled)
    {
        using SystemMachine machine = new(mode);
        machine.SetGate((int)first, SystemMachine.Handlers, mode == GuestMode.Long ? Selector.Code64 : Selector.Code32, present: false);
        Prepare(machine);

        machine.Start(a => Cause(a, first));

        machine.AssertEvent(
            doubled ? ExceptionVector.DoubleFault : ExceptionVector.SegmentNotPresent,
            doubled ? 0 : ((uint)first * 8) + 3, // IDT and EXT
            SystemMachine.Code + (first == ExceptionVector.Debug ? 1u : 0));
    }

    [Theory]
    [InlineData(ExceptionVector.DivideError, false)]
    [InlineData(ExceptionVector.GeneralProtection, false)]
    [InlineData(ExceptionVector.InvalidOpcode, false)]
    [InlineData(ExceptionVector.PageFault, true)]
    public void Delivery_PageFaultOnStack_IsDoubleFaultOnlyAfterPageFault(ExceptionVector first, bool doubled)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.Quad(SystemMachine.Tss + 36) = SystemMachine.InnerStack; // IST1
        machine.SetGate((int)ExceptionVector.DoubleFault, SystemMachine.Handlers + 0x80, Selector.Code64, ist: 1);
        if (!doubled)
        {
            machine.SetGate((int)ExceptionVector.PageFault, SystemMachine.Handlers + 0xE0, Selector.Code64, ist: 1);
        }

        machine.State.Gprs[Gpr.Rsp] = Unmapped + 0x1000;
        Prepare(machine);

        machine.Start(a => Cause(a, first));

        machine.AssertEvent(
            doubled ? ExceptionVector.DoubleFault : ExceptionVector.PageFault, doubled ? 0u : 2u, SystemMachine.Code);
        Assert.Equal(Unmapped + 0x1000, machine.Frame.Rsp);
        Assert.Equal(
            Unmapped + 0x1000 - (first is ExceptionVector.GeneralProtection or ExceptionVector.PageFault ? 48u : 40u), machine.State.Cr2);
    }

    [Fact]
    public void Delivery_ContributoryAfterPageFault_IsDoubleFault()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.SetGate((int)ExceptionVector.PageFault, SystemMachine.Handlers, BeyondGdt);
        Prepare(machine);

        machine.Start(a => Cause(a, ExceptionVector.PageFault));

        machine.AssertEvent(ExceptionVector.DoubleFault, 0, SystemMachine.Code);
        Assert.Equal(Unmapped, machine.State.Cr2);
    }

    [Fact]
    public void Delivery_InterruptGateBad_IsGeneralProtectionWithExternalBit()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.SetGate(0x40, SystemMachine.Handlers, BeyondGdt);
        machine.State.Rflags |= RFlags.IF;
        machine.Apic.Vector = 0x40;

        machine.Start(a => a.nop());

        machine.AssertEvent(ExceptionVector.GeneralProtection, BeyondGdt | 1, SystemMachine.Code);
    }

    [Theory]
    [InlineData(GuestMode.Long)]
    [InlineData(GuestMode.Compatibility)]
    [InlineData(GuestMode.Protected32)]
    [InlineData(GuestMode.Protected16)]
    [InlineData(GuestMode.Virtual8086)]
    public void Fault_NoIdt_ShutsDown(GuestMode mode)
    {
        using SystemMachine machine = new(mode);
        machine.State.Idtr.Limit = 0;

        machine.Start(a => a.ud2());

        Assert.Equal(VcpuStop.Shutdown, machine.Stop);
    }

    [Fact]
    public void Fault_RealModeVectorsOutsideLimit_ShutsDown()
    {
        using SystemMachine machine = new(GuestMode.Real);
        machine.State.Idtr.Limit = (6 * 4) + 2;

        machine.Start(a => a.ud2());

        Assert.Equal(VcpuStop.Shutdown, machine.Stop);
    }

    [Theory]
    [InlineData((8 * 4) + 3, ExceptionVector.DoubleFault)]
    [InlineData((13 * 4) + 3, ExceptionVector.GeneralProtection)]
    public void Fault_RealModeVectorOutsideLimit_IsGeneralProtectionThenDoubleFault(int limit, ExceptionVector reached)
    {
        using SystemMachine machine = new(GuestMode.Real);
        machine.State.Idtr.Limit = (uint)limit;

        machine.Start(a => a.@int(0x21));

        machine.AssertEvent(reached, null, SystemMachine.Code);
    }

    [Fact]
    public void Fault_RealModeStackAtOne_ShutsDown()
    {
        using SystemMachine machine = new(GuestMode.Real);
        machine.State.Gprs[Gpr.Rsp] = 1; // a word at FFFFH crosses the limit: #SS, whose frame does not fit either

        machine.Start(a => a.push(ax));

        Assert.Equal(VcpuStop.Shutdown, machine.Stop);
    }

    [Fact]
    public void DoubleFault_DuringDelivery_FaultIsTriple()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.SetGate((int)ExceptionVector.GeneralProtection, SystemMachine.Handlers, BeyondGdt);
        machine.SetGate((int)ExceptionVector.DoubleFault, SystemMachine.Handlers, BeyondGdt);
        Prepare(machine);

        machine.Start(a => Cause(a, ExceptionVector.GeneralProtection));

        Assert.Equal(VcpuStop.Shutdown, machine.Stop);
    }

    private static void Prepare(SystemMachine machine)
    {
        machine.State.Gprs[Gpr.Rsi] = Unmapped;
        machine.State.Gprs[Gpr.Rax] = BeyondGdt;
        machine.State.Gprs[Gpr.Rcx] = 0;
    }

    private static void Cause(Assembler a, ExceptionVector vector)
    {
        switch (vector)
        {
            case ExceptionVector.DivideError:
                a.div(ecx);
                break;
            case ExceptionVector.GeneralProtection:
                a.mov(es, ax);
                break;
            case ExceptionVector.PageFault:
                a.mov(al, __byte_ptr[rsi]);
                break;
            case ExceptionVector.Debug:
                a.db(0xF1);
                break;
            default:
                a.ud2();
                break;
        }
    }
}
