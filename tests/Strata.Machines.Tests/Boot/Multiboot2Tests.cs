using Strata.Machines.Boot;
using static Strata.Machines.Tests.Boot.Multiboot2Images;

namespace Strata.Machines.Tests.Boot;

/// <summary>Multiboot2 specification 2.0.</summary>
public sealed class Multiboot2Tests : IDisposable
{
    private readonly BootBench _bench = new();

    [Fact]
    public void Load_AddressTag_PlacesTheImageAndZerosItsBss()
    {
        byte[] image = Create();
        _bench.Fill(LoadAddress, 0x10000, 0xCC);

        BootEntry entry = _bench.Load(image);

        Assert.Equal(new BootEntry(EntryMode.Protected32, Entry, Rax: 0x36D76289, Rbx: entry.Rbx, ExpectsBios: true), entry);
        Assert.Equal(0u, entry.Rbx % 8);
        byte[] expected = [.. image, .. new byte[BssSize], 0xCC];
        Assert.Equal(expected, _bench.Bytes(LoadAddress, expected.Length));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Load_Elf_EntersWhereItIsLoaded(bool is64)
    {
        BootEntry entry = _bench.Load(CreateElf(is64));

        Assert.Equal((ElfImages.Entry, 0x36D76289UL), ((uint)entry.Rip, entry.Rax));
        Assert.Equal(ElfImages.First, _bench.Bytes(ElfImages.FirstAddress, ElfImages.FirstSize));
        Assert.Equal(ElfImages.Second, _bench.Bytes(ElfImages.SecondAddress, ElfImages.SecondSize));
    }

    [Fact]
    public void Load_ElfWithVirtualEntry_EntersItsPhysicalAddress()
    {
        byte[] image = CreateElf(is64: true).Put64(24, ElfImages.Entry + 0xC000_0000UL);

        Assert.Equal(ElfImages.Entry, _bench.Load(image).Rip);
    }

    [Fact]
    public void Load_EntryTag_ComesBeforeTheElfHeader() =>
        Assert.Equal(0x200044u, _bench.Load(CreateElf(is64: false, Tag(3, 0, 0x200044))).Rip);

    [Fact]
    public void Information_OfAMachine_HasItsTags()
    {
        byte[] rsdp = [.. "RSD PTR "u8, .. LittleEndian.Pattern(28, 9)];
        _bench.Memory.TryWriteBytes(BootBench.Rsdp, rsdp);

        Dictionary<uint, byte[]> tags = Tags(_bench.Load(Create(), [1, 2, 3], "test 1 2").Rbx);

        Assert.Equal("kernel.elf test 1 2\0"u8, tags[1]);
        Assert.Equal("Strata\0"u8, tags[2]);
        Assert.Equal([640u, (uint)((BootBench.Size - 0x100000) / 1024)], Words(tags[4]));
        Assert.Equal(rsdp[..20], tags[14]);
        Assert.Equal(rsdp, tags[15]);
        Assert.Equal([LoadAddress], Words(tags[21]));
        Assert.DoesNotContain(8u, tags.Keys); // no framebuffer
    }

    [Fact]
    public void Information_MemoryMap_HasTheRanges()
    {
        uint[] words = Words(Tags(_bench.Load(Create()).Rbx)[6]);

        Assert.Equal([24u, 0u], words[..2]);
        Assert.Equal([0u, 0u, 0xA0000u, 0u, 1u, 0u], words[2..8]);
        Assert.Equal(2 + (BootBench.Map.Count * 6), words.Length);
    }

    [Fact]
    public void Information_Modules_AreOnPagesWithTheirStrings()
    {
        BootRequest request = _bench.Request(Create(), [1, 2, 3]) with { Modules = [new BootModule(new byte[] { 4, 5 }, "second text")] };

        List<(uint Type, byte[] Body)> tags = [.. AllTags(BootLoader.Load(request).Rbx).Where(tag => tag.Type == 3)];

        Assert.Equal(2, tags.Count);
        uint[] words = Words(tags[1].Body[..8]);
        Assert.Equal("second text\0"u8, tags[1].Body.AsSpan(8));
        Assert.Equal(0u, words[0] % 0x1000);
        Assert.Equal([4, 5], _bench.Bytes(words[0], (int)(words[1] - words[0])));
    }

    [Fact]
    public void Information_ElfSections_AreThoseOfTheFileWithSymbolsLoaded()
    {
        byte[] elf = CreateElf(is64: true);
        int strings = elf.Length;
        byte[] image = [.. elf, .. "\0names\0\0"u8, .. new byte[128]];
        int table = strings + 8;
        image.Put64(40, (ulong)table).Put16(58, 64).Put16(60, 2).Put16(62, 1);
        image.Put32(table + 64 + 4, 3).Put64(table + 64 + 24, (ulong)strings).Put64(table + 64 + 32, 7);

        byte[] tag = Tags(_bench.Load(image).Rbx)[9];

        Assert.Equal([2u, 64u, 1u], Words(tag[..12]));
        ulong at = BitConverter.ToUInt64(tag, 12 + 64 + 16);
        Assert.Equal("\0names\0"u8, _bench.Bytes(at, 7));
    }

    [Theory]
    [InlineData(0u, 0x200000u)] // stays where it is linked
    [InlineData(1u, 0x400000u)]
    [InlineData(2u, 0x800000u)]
    public void Load_Relocatable_GoesWhereItWouldRatherBe(uint preference, uint expected)
    {
        uint lowest = preference == 0 ? 0 : 0x310000u;

        BootEntry entry = _bench.Load(CreateElf(is64: true, Tag(10, 0, lowest, 0xAFFFFF, 0x200000, preference)));

        Assert.Equal(expected + 0x40, (uint)entry.Rip);
        Assert.Equal(ElfImages.First, _bench.Bytes(expected, ElfImages.FirstSize));
        Assert.Equal([expected], Words(Tags(entry.Rbx)[21]));
    }

    [Fact]
    public void Load_RelocatableWithoutRoom_IsRefused() =>
        AssertRefused("does not fit between", CreateElf(is64: true, Tag(10, 0, 0x400000, 0x410000, 0x1000, 1)));

    [Fact]
    public void Load_RelocatableByNoPowerOfTwo_IsRefused() =>
        AssertRefused("no power of two", CreateElf(is64: true, Tag(10, 0, 0, 0xFFFFFF, 3, 1)));

    [Fact]
    public void Load_UnknownTag_IsRefusedUnlessItIsOptional()
    {
        AssertRefused("the feature 77", Create(Tag(77, 0)));

        Assert.Equal(Entry, _bench.Load(Create(Tag(77, 1))).Rip);
    }

    [Fact]
    public void Load_InformationRequest_OfUnknownTypesIsRefused()
    {
        Assert.Equal(Entry, _bench.Load(Create(Tag(1, 0, 1, 6, 8, 15))).Rip);

        AssertRefused("type 99", Create(Tag(1, 0, 1, 99)));
    }

    [Fact]
    public void Load_ConsoleRequired_IsRefused() => AssertRefused("screen", Create(Tag(4, 0, 3)));

    [Fact]
    public void Load_AddressTagWithoutEntry_IsRefused() => AssertRefused("entry address", LittleEndian.Pattern(Size, 50).PutBytes(
        HeaderOffset, Header(Tag(2, 0, LoadAddress + HeaderOffset, LoadAddress, 0, 0))));

    [Fact]
    public void Load_TagLongerThanTheHeader_IsRefused()
    {
        byte[] image = Create();
        image.Put32(HeaderOffset + 16 + 4, 0x1000);

        AssertRefused("damaged", image);
    }

    [Fact]
    public void Matches_ChecksumWrong_IsNone() => Assert.False(Multiboot2.Matches(Create().Put32(HeaderOffset + 12, 1)));

    public void Dispose() => _bench.Dispose();

    private static uint[] Words(byte[] bytes) =>
        [.. Enumerable.Range(0, bytes.Length / 4).Select(i => BitConverter.ToUInt32(bytes, i * 4))];

    private void AssertRefused(string why, byte[] image)
    {
        BootImageException error = Assert.Throws<BootImageException>(() => _bench.Load(image));
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
    }

    private Dictionary<uint, byte[]> Tags(ulong information) =>
        AllTags(information).DistinctBy(tag => tag.Type).ToDictionary(tag => tag.Type, tag => tag.Body);

    private List<(uint Type, byte[] Body)> AllTags(ulong information)
    {
        List<(uint Type, byte[] Body)> tags = [];
        ulong end = information + _bench.Read32(information);
        for (ulong at = information + 8; at < end; at += (_bench.Read32(at + 4) + 7UL) & ~7UL)
        {
            tags.Add((_bench.Read32(at), _bench.Bytes(at + 8, (int)_bench.Read32(at + 4) - 8)));
        }

        Assert.Equal(0u, tags[^1].Type);
        return tags;
    }
}
