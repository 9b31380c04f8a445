using Strata.Machines.Boot;

namespace Strata.Machines.Tests.Boot;

/// <summary>System V ABI, "Object Files": ELF header and program headers of both classes.</summary>
public sealed class ElfImageTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Parse_Executable_ReadsEntrySegmentsAndNotes(bool is64)
    {
        ElfImage elf = ElfImage.Parse(ElfImages.Create(is64));

        Assert.Equal(is64, elf.Is64);
        Assert.Equal(ElfImages.Entry, elf.Entry);
        Assert.Equal(
            [
                new ElfSegment(
                    0x1000, ElfImages.FirstSize, ElfImages.FirstAddress, ElfImages.FirstAddress + ElfImages.KernelBase,
                    ElfImages.FirstSize),
                new ElfSegment(
                    0x1400, ElfImages.SecondSize, ElfImages.SecondAddress, ElfImages.SecondAddress + ElfImages.KernelBase,
                    ElfImages.SecondMemory),
            ],
            elf.Segments);
        Assert.Equal(
            [new ElfSegment(0x1500, (ulong)ElfImages.Notes.Length, 0, ElfImages.KernelBase, (ulong)ElfImages.Notes.Length)], elf.Notes);
        Assert.Equal(ElfImages.SecondAddress + (ulong)ElfImages.SecondMemory, elf.End);
    }

    [Fact]
    public void Parse_LargerProgramHeaders_StepsByTheirSize()
    {
        byte[] image = ElfImages.Create(is64: true);
        byte[] second = image[(64 + 56)..(64 + 112)];
        image.Put16(54, 64).Put16(56, 2).PutBytes(64 + 64, second); // e_phentsize

        ElfImage elf = ElfImage.Parse(image);

        Assert.Equal(2, elf.Segments.Count);
        Assert.Equal(ElfImages.SecondAddress, elf.Segments[1].PhysicalAddress);
    }

    [Fact]
    public void End_NoSegments_IsZero() => Assert.Equal(0UL, ElfImage.Parse(ElfImages.Create(is64: true).Put16(56, 0)).End);

    [Theory]
    [InlineData(4, 0)] // ELFCLASSNONE
    [InlineData(4, 3)]
    [InlineData(5, 2)] // big-endian
    [InlineData(18, 183)] // AArch64
    [InlineData(18, 40)] // Arm
    [InlineData(54, 55)] // program headers too small
    [InlineData(57, 2)] // 515 program headers
    [InlineData(39, 0x80)] // program headers at 2^63
    public void Parse_FieldThatCannotBe_IsRefused(int offset, byte value) =>
        Assert.Throws<BootImageException>(() => ElfImage.Parse(ElfImages.Create(is64: true).PutBytes(offset, [value])));

    [Theory]
    [InlineData(ulong.MaxValue, 1UL)]
    [InlineData(1UL, ulong.MaxValue)]
    [InlineData(0x1000UL, 0x10000UL)]
    [InlineData(1UL << 32, 0UL)]
    public void Parse_SegmentOutsideOfTheFile_SaysTruncated(ulong offset, ulong size)
    {
        byte[] image = ElfImages.Create(is64: true);
        ElfImages.PutSegment(image, is64: true, 0, type: 1, offset, ElfImages.FirstAddress, size, ulong.MaxValue);

        BootImageException error = Assert.Throws<BootImageException>(() => ElfImage.Parse(image));

        Assert.Contains("truncated", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_SegmentWithLessMemoryThanFile_IsRefused()
    {
        byte[] image = ElfImages.Create(is64: true);
        ElfImages.PutSegment(image, is64: true, 0, type: 1, 0x1000, ElfImages.FirstAddress, fileSize: 100, memorySize: 99);

        Assert.Throws<BootImageException>(() => ElfImage.Parse(image));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Parse_EveryTruncation_IsRefused(bool is64)
    {
        byte[] image = ElfImages.Create(is64);

        Assert.All(
            Enumerable.Range(0, image.Length), length => Assert.Throws<BootImageException>(() => ElfImage.Parse(image.AsSpan(0, length))));
    }
}
