using Strata.Machines.Boot;

namespace Strata.Machines.Tests.Boot;

/// <summary>Xen documentation, "x86/HVM direct boot ABI", and the start-information structure of its public headers.</summary>
public sealed class ElfPvhTests : IDisposable
{
    private readonly BootBench _bench = new();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Load_ElfWithEntryNote_PlacesTheSegmentsByPhysicalAddress(bool is64)
    {
        _bench.Fill(ElfImages.SecondAddress, ElfImages.SecondMemory + 1, 0xCC);

        BootEntry entry = _bench.Load(ElfImages.Create(is64));

        Assert.Equal(new BootEntry(EntryMode.Protected32, ElfImages.PvhEntry, Rbx: entry.Rbx), entry);
        Assert.Equal(ElfImages.First, _bench.Bytes(ElfImages.FirstAddress, ElfImages.FirstSize));
        byte[] expected = [.. ElfImages.Second, .. new byte[ElfImages.SecondMemory - ElfImages.SecondSize], 0xCC];
        Assert.Equal(expected, _bench.Bytes(ElfImages.SecondAddress, ElfImages.SecondMemory + 1));
    }

    [Fact]
    public void Load_StartInfo_HasTheFieldsOfVersion1()
    {
        _bench.Fill(0x8000, 0x90000, 0xCC);

        ulong info = _bench.Load(ElfImages.Create(is64: true), commandLine: "a=b c").Rbx;

        Assert.Equal(0x336EC578u, _bench.Read32(info)); // magic
        Assert.Equal(1u, _bench.Read32(info + 4)); // version
        Assert.Equal(0u, _bench.Read32(info + 8)); // flags
        Assert.Equal(0u, _bench.Read32(info + 12)); // nr_modules
        Assert.Equal("a=b c", _bench.Text(_bench.Read64(info + 24))); // cmdline_paddr
        Assert.Equal(BootBench.Rsdp, _bench.Read64(info + 32)); // rsdp_paddr
        Assert.Equal((uint)BootBench.Map.Count, _bench.Read32(info + 48)); // memmap_entries
        Assert.Equal(0u, _bench.Read32(info + 52)); // reserved
    }

    [Fact]
    public void Load_StartInfo_PointsToTheMemoryMap()
    {
        _bench.Fill(0x8000, 0x90000, 0xCC);

        ulong map = _bench.Read64(_bench.Load(ElfImages.Create(is64: true)).Rbx + 40);

        Assert.All(BootBench.Map.Index(), item =>
        {
            ulong at = map + (24 * (ulong)item.Index);
            Assert.Equal(item.Item, new MemoryMapEntry(_bench.Read64(at), _bench.Read64(at + 8), _bench.Read32(at + 16)));
            Assert.Equal(0u, _bench.Read32(at + 20)); // reserved
        });
    }

    [Fact]
    public void Load_Initrd_IsTheFirstModule()
    {
        byte[] initrd = LittleEndian.Pattern(70_000, 9);
        _bench.Fill(0x8000, 0x90000, 0xCC);

        ulong info = _bench.Load(ElfImages.Create(is64: true), initrd).Rbx;

        Assert.Equal(1u, _bench.Read32(info + 12));
        ulong module = _bench.Read64(info + 16);
        ulong start = _bench.Read64(module);
        Assert.Equal((ulong)initrd.Length, _bench.Read64(module + 8));
        Assert.Equal(0UL, _bench.Read64(module + 16)); // cmdline_paddr: none
        Assert.Equal(0UL, _bench.Read64(module + 24)); // reserved
        Assert.Equal(initrd, _bench.Bytes(start, initrd.Length));
        Assert.InRange(start, ElfImages.SecondAddress + (ulong)ElfImages.SecondMemory, BootBench.Size);
    }

    [Fact]
    public void Load_EmptySegmentAtTheEndOfTheAddressSpace_DoesNotMoveTheInitrd()
    {
        byte[] image = ElfImages.Create(is64: true);
        ElfImages.PutSegment(image, is64: true, 1, type: 1, offset: 0, address: ulong.MaxValue, fileSize: 0, memorySize: 0);
        byte[] initrd = LittleEndian.Pattern(70_000, 9);

        ulong info = _bench.Load(image, initrd).Rbx;

        ulong start = _bench.Read64(_bench.Read64(info + 16));
        Assert.InRange(start, ElfImages.FirstAddress + (ulong)ElfImages.FirstSize, BootBench.Size);
        Assert.Equal(initrd, _bench.Bytes(start, initrd.Length));
    }

    [Fact]
    public void Load_NoEntryNote_SaysWhatIsMissing()
    {
        byte[] image = ElfImages.Create(is64: true);
        ElfImages.PutSegment(image, is64: true, 2, type: 0, offset: 0, address: 0, fileSize: 0, memorySize: 0);

        BootImageException error = Assert.Throws<BootImageException>(() => _bench.Load(image));

        Assert.Contains("CONFIG_PVH", error.Message, StringComparison.Ordinal);
        Assert.False(ElfPvh.Matches(image));
    }

    [Fact]
    public void Matches_EntryNote_IsTrue() => Assert.True(ElfPvh.Matches(ElfImages.Create(is64: false)));

    [Fact]
    public void Matches_DamagedElf_IsFalse() => Assert.False(ElfPvh.Matches(ElfImages.Create(is64: true).AsSpan(0, 100)));

    [Fact]
    public void Load_CommandLineTooLong_IsRefused() =>
        Assert.Throws<BootImageException>(() => _bench.Load(ElfImages.Create(is64: true), commandLine: new string('x', 4096)));

    [Fact]
    public void Load_KernelWhereTheBootInformationIsOtherwise_FindsItElsewhere()
    {
        ulong usual = _bench.Load(ElfImages.Create(is64: true)).Rbx;
        byte[] image = ElfImages.Create(is64: true);
        ElfImages.PutSegment(image, is64: true, 0, type: 1, offset: 0x1000, address: usual - 8, fileSize: 64, memorySize: 64);

        ulong info = _bench.Load(image).Rbx;

        Assert.True(info >= usual + 56 || info + 56 <= usual - 8, $"0x{info:x} lies in the image.");
        Assert.Equal(0x336EC578u, _bench.Read32(info));
        Assert.Equal(ElfImages.First[..64], _bench.Bytes(usual - 8, 64));
    }

    [Fact]
    public void Load_Modules_FollowTheInitrdWithTheirStrings()
    {
        byte[] initrd = LittleEndian.Pattern(70_000, 9);
        BootModule module = new(LittleEndian.Pattern(3_000_000, 4), "policy x=1");

        ulong info = BootLoader.Load(_bench.Request(ElfImages.Create(is64: true), initrd) with { Modules = [module] }).Rbx;

        Assert.Equal(2u, _bench.Read32(info + 12));
        ulong second = _bench.Read64(info + 16) + 32;
        Assert.Equal(module.Content, _bench.Bytes(_bench.Read64(second), (int)_bench.Read64(second + 8)));
        Assert.Equal(module.Text, _bench.Text(_bench.Read64(second + 16)));
    }

    public void Dispose() => _bench.Dispose();
}
