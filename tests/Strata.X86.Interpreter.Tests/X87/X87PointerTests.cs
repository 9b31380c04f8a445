using Iced.Intel;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Tests.HostCpu;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.X87;

/// <summary>
/// The pointers to the last x87 instruction and its operand. Intel SDM Vol. 1, "x87 FPU Instruction and Data (Operand) Pointers".
/// An engine that runs x87 code on the host does not keep them.
/// </summary>
public sealed unsafe class X87PointerTests
{
    [Fact]
    public void Add_MemoryOperand_RecordsPointersAndOpcode()
    {
        using GuestProcessor guest = Prepare(a =>
        {
            a.nop();
            a.fadd(__qword_ptr[rbx + 8]);
            a.fnstenv(__[rbx + 32]);
        });
        guest.State.Ftw = 0;

        guest.Run();

        uint* environment = (uint*)guest.At(GuestProcessor.Data + 32);
        Assert.Equal(GuestProcessor.Code + 1, guest.State.FpuIp);
        Assert.Equal(GuestProcessor.Data + 8, guest.State.FpuDp);
        Assert.Equal(0x443, guest.State.Fop);
        Assert.Equal((uint)GuestProcessor.Code + 1, environment[3]);
        Assert.Equal(0x04430008U, environment[4]);
        Assert.Equal((uint)GuestProcessor.Data + 8, environment[5]);
        Assert.Equal(0xFFFF0010U, environment[6]);
    }

    private static GuestProcessor Prepare(Action<Assembler> code)
    {
        GuestProcessor guest = new();
        guest.Place(GuestProcessor.Code, HostCodePage.Assemble(code, GuestProcessor.Code));
        return guest;
    }
}
