using Iced.Intel;
using Strata.X86.Direct.Spaces;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Direct.Tests;

/// <summary>Pages of code that ask which processor they run on.</summary>
public sealed class IdentificationSearchTests
{
    private const int PageSize = 4096;

    [Fact]
    public void IsIn_Instruction_IsFound() => Assert.True(IdentificationSearch.IsIn(PageWith(c => c.cpuid()), 0x90));

    [Fact]
    public void IsIn_CodeWithoutIt_IsNotFound() => Assert.False(IdentificationSearch.IsIn(PageWith(c => c.rdtsc()), 0x90));

    [Fact]
    public void IsIn_BytesAreAnotherInstructions_IsNotFound() =>
        Assert.False(IdentificationSearch.IsIn(PageWith(c => c.mov(eax, 0x11A2_0F22)), 0x90));

    [Fact]
    public void IsIn_BehindAnotherInstructionsBytes_IsFound() => Assert.True(IdentificationSearch.IsIn(
        PageWith(c =>
        {
            c.mov(eax, 0x11A2_0F22);
            c.xor(ecx, ecx);
            c.cpuid();
        }),
        0x90));

    [Theory]
    [InlineData(0xA2, true)]
    [InlineData(0x05, false)] // SYSCALL
    [InlineData(null, true)] // it cannot be told
    public void IsIn_PageEndsWithinAnInstruction_LooksAtTheNext(int? next, bool expected)
    {
        byte[] page = PageWith(c => c.nop());
        page[^1] = 0x0F;

        Assert.Equal(expected, IdentificationSearch.IsIn(page, (byte?)next));
    }

    [Fact]
    public void IsIn_FirstBytesOfThePage_IsFound()
    {
        byte[] page = new byte[PageSize];
        (page[0], page[1]) = (0x0F, 0xA2);

        Assert.True(IdentificationSearch.IsIn(page, 0x90));
    }

    /// <summary>A page of usual code, with some in its middle.</summary>
    private static byte[] PageWith(Action<Assembler> middle)
    {
        Assembler assembler = new(64);
        for (int i = 0; i < 100; i++)
        {
            assembler.mov(rax, __[rbx + (8 * i)]);
            assembler.add(rcx, rax);
            if (i == 50)
            {
                middle(assembler);
            }
        }

        MemoryStream bytes = new();
        assembler.Assemble(new StreamCodeWriter(bytes), 0x40_0000);
        byte[] page = new byte[PageSize];
        bytes.ToArray().CopyTo(page, 0);
        return page;
    }
}
