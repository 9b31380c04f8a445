using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Tests.HostCpu;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.X87;

/// <summary>Availability, deferred exceptions and pointers. Intel SDM Vol. 1, "x87 FPU Exception Synchronization".</summary>
public sealed unsafe class X87ExceptionTests
{
    private const int NoFault = -1;
    private const int DeviceNotAvailable = (int)ExceptionVector.DeviceNotAvailable;
    private const int X87 = (int)ExceptionVector.X87;
    private const ushort DivideByZeroUnmasked = 0x37B;

    [Theory]
    [InlineData(Cr0.TS, DeviceNotAvailable)]
    [InlineData(Cr0.EM, DeviceNotAvailable)]
    [InlineData(0UL, NoFault)]
    public void Fld1_EmulationOrTaskSwitched_IsDeviceNotAvailable(ulong cr0, int fault)
    {
        using GuestProcessor guest = Prepare(a => a.fld1());
        guest.State.Cr0 |= cr0;

        guest.Run();

        Assert.Equal(fault, guest.Fault);
    }

    [Theory]
    [InlineData(Cr0.TS | Cr0.MP, 0UL, DeviceNotAvailable)]
    [InlineData(Cr0.TS, Cr0.MP, NoFault)]
    [InlineData(Cr0.EM, 0UL, NoFault)]
    public void Wait_TaskSwitched_FaultsOnlyWithMonitorCoprocessor(ulong set, ulong clear, int fault)
    {
        using GuestProcessor guest = Prepare(a => a.wait());
        guest.State.Cr0 = (guest.State.Cr0 | set) & ~clear;

        guest.Run();

        Assert.Equal(fault, guest.Fault);
    }

    [Fact]
    public void Divide_UnmaskedDivideByZero_IsPendingUntilNextWaitingInstruction()
    {
        using GuestProcessor guest = Prepare(a =>
        {
            a.fld1();
            a.fldz();
            a.fdivp(st1, st0);
            a.fnstsw(ax);
            a.mov(ecx, 7);
            a.fld1();
        });
        guest.State.Fcw = DivideByZeroUnmasked;

        guest.Run();

        Assert.Equal(X87, guest.Fault);
        Assert.Equal(7UL, guest.State.Gprs[Gpr.Rcx]);
        Assert.Equal(0xB084UL, guest.State.Gprs[Gpr.Rax] & 0xFFFF);
        Assert.Equal(6, (guest.State.Fsw >> 11) & 7);
    }

    [Fact]
    public void ClearExceptions_PendingException_RemovesIt()
    {
        using GuestProcessor guest = Prepare(a =>
        {
            a.fld1();
            a.fldz();
            a.fdivp(st1, st0);
            a.fnclex();
            a.fldpi();
        });
        guest.State.Fcw = DivideByZeroUnmasked;

        guest.Run();

        Assert.Equal(NoFault, guest.Fault);
        Assert.Equal(0x2800, guest.State.Fsw);
    }

    [Fact]
    public void LoadControl_UnmaskingASetFlag_MakesItPending()
    {
        using GuestProcessor guest = Prepare(a =>
        {
            a.fldcw(__word_ptr[rbx]);
            a.wait();
        });
        *(ushort*)guest.At(GuestProcessor.Data) = DivideByZeroUnmasked;
        guest.State.Fsw = 4;

        guest.Run();

        Assert.Equal(X87, guest.Fault);
        Assert.Equal(0x8084, guest.State.Fsw);
    }

    [Fact]
    public void Wait_PendingExceptionWithoutNumericError_AssertsFerr()
    {
        int asserted = 0;
        using GuestProcessor guest = new(() => asserted++);
        guest.Place(GuestProcessor.Code, HostCodePage.Assemble(a => a.wait(), GuestProcessor.Code));
        guest.State.Cr0 &= ~Cr0.NE;
        guest.State.Rflags = 2;
        guest.State.Fcw = DivideByZeroUnmasked;
        guest.State.Fsw = 0x8084;

        guest.Run();

        Assert.Equal(NoFault, guest.Fault);
        Assert.Equal(1, asserted);
    }

    [Fact]
    public void Store_PageFault_LeavesNoTrace()
    {
        using GuestProcessor guest = Prepare(a => a.fstp(__dword_ptr[rcx]));
        guest.State.Gprs[Gpr.Rcx] = 0x40000000;
        guest.State.Ftw = 0x3FFF;
        guest.State.Fsw = 0x3800;
        guest.State.FpuRegisters[14] = 0xC000000000000001;
        guest.State.FpuRegisters[15] = 0x3FFF;

        guest.Run();

        Assert.Equal((int)ExceptionVector.PageFault, guest.Fault);
        Assert.Equal(0x3800, guest.State.Fsw);
        Assert.Equal(0x3FFF, guest.State.Ftw);
    }

    [Fact]
    public void Environment_SavedAndLoadedIn16BitFormat_KeepsTagsAndPointers()
    {
        using GuestProcessor guest = Prepare(a =>
        {
            a.db(0x66, 0xD9, 0x33); // fnstenv m14
            a.fninit();
            a.db(0x66, 0xD9, 0x23); // fldenv m14
        });
        guest.State.Ftw = 0x0FFF;
        guest.State.Fsw = 0x3000;
        guest.State.FpuRegisters[12] = 1UL << 63;
        guest.State.FpuRegisters[13] = 0x3FFF;
        guest.State.FpuIp = 0x1234;
        guest.State.FpuCs = 8;
        guest.State.FpuDp = 0x5678;
        guest.State.FpuDs = 0x10;

        guest.Run();

        ushort* environment = (ushort*)guest.At(GuestProcessor.Data);
        Assert.Equal([0x37F, 0x3000, 0x4FFF, 0x1234, 8, 0x5678, 0x10], new Span<ushort>(environment, 7).ToArray());
        Assert.Equal(0x3000, guest.State.Fsw);
        Assert.Equal(0x4FFF, guest.State.Ftw);
        Assert.Equal(0x1234UL, guest.State.FpuIp);
        Assert.Equal(0, environment[7]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Save_RealMode_KeepsLinearPointers(bool wide)
    {
        using GuestProcessor guest = new();
        guest.Place(GuestProcessor.Data, wide ? [0x66, 0xDD, 0x37] : [0xDD, 0x37]); // fnsave [bx]
        guest.State = RealMode();
        guest.State.FpuIp = 0x0123;
        guest.State.FpuCs = 0xABC0;
        guest.State.FpuDp = 0x0456;
        guest.State.FpuDs = 0x1230;
        guest.State.Fop = 0x5D9;
        guest.State.Ftw = 0xFFFF;
        guest.State.Fcw = 0x37F;

        guest.Run();

        byte* image = guest.At(0x8000);
        ulong codes = wide ? *(uint*)(image + 16) : *(ushort*)(image + 8);
        ulong data = wide ? *(uint*)(image + 24) : *(ushort*)(image + 12);
        Assert.Equal(0xBD23, *(ushort*)(image + (wide ? 12 : 6)));
        Assert.Equal(0xA5D9UL, codes);
        Assert.Equal(0x2756, *(ushort*)(image + (wide ? 20 : 10)));
        Assert.Equal(0x1000UL, data);
        Assert.Equal(0x37F, guest.State.Fcw);
        Assert.Equal(0UL, guest.State.FpuIp);
    }

    private static X86CpuState RealMode()
    {
        X86CpuState state = X86CpuState.AtReset();
        for (SegmentIndex index = SegmentIndex.Es; index <= SegmentIndex.Gs; index++)
        {
            state.Segment(index).Base = 0;
            state.Segment(index).Selector = 0;
        }

        state.Cs.Base = GuestProcessor.Data;
        state.Cs.Selector = (ushort)(GuestProcessor.Data >> 4);
        state.Rip = 0;
        state.Gprs[Gpr.Rbx] = 0x8000;
        return state;
    }

    private static GuestProcessor Prepare(Action<Assembler> code)
    {
        GuestProcessor guest = new();
        guest.Place(GuestProcessor.Code, HostCodePage.Assemble(code, GuestProcessor.Code));
        return guest;
    }
}
