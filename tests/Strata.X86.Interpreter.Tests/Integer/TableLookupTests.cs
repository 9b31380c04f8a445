using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Tests.HostCpu;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>Look-ups by a byte in a table, whose page an engine may guess: right, wrong, across pages and missing.</summary>
public sealed unsafe class TableLookupTests
{
    private const ulong EndOfMemory = 0x400000;

    /// <summary>Sums 256 elements; the table starts 512 bytes before a page ends, or is not aligned.</summary>
    [Theory]
    [InlineData(0UL)]
    [InlineData(0xE00UL)]
    [InlineData(0xE01UL)]
    [InlineData(0xFFDUL)]
    public void Load_EachElement_FindsItWhereverThePageEnds(ulong offset)
    {
        using GuestProcessor guest = new();
        ulong table = GuestProcessor.Data + offset;
        ulong expected = 0;
        for (uint i = 0; i < 256; i++)
        {
            *(uint*)guest.At(table + (i * 4)) = i * i;
            expected += i * i;
        }

        guest.Place(GuestProcessor.Code, [.. HostCodePage.Assemble(SumTable, GuestProcessor.Code), 0xF4]);
        guest.State.Gprs[Gpr.Rbp] = table;
        guest.State.Gprs[Gpr.Rax] = guest.State.Gprs[Gpr.Rdx] = 0;

        guest.Run();

        Assert.Equal(expected, guest.State.Gprs[Gpr.Rax]);
    }

    [Fact]
    public void Load_ElementBehindTheEndOfMemory_Faults()
    {
        using GuestProcessor guest = new();
        guest.Place(GuestProcessor.Code, [.. HostCodePage.Assemble(SumTable, GuestProcessor.Code), 0xF4]);
        guest.State.Gprs[Gpr.Rbp] = EndOfMemory - 40;
        guest.State.Gprs[Gpr.Rax] = guest.State.Gprs[Gpr.Rdx] = 0;

        guest.Run();

        Assert.Equal(((int)ExceptionVector.PageFault, EndOfMemory, 10UL), (guest.Fault, guest.State.Cr2, guest.State.Gprs[Gpr.Rdx]));
    }

    private static void SumTable(Assembler a)
    {
        Label again = a.CreateLabel();
        a.Label(ref again);
        a.movzx(ecx, dl);
        a.add(eax, __dword_ptr[rbp + (rcx * 4)]);
        a.inc(edx);
        a.cmp(edx, 256);
        a.jne(again);
    }
}
