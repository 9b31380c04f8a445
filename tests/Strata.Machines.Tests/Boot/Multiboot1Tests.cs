using System.IO.Compression;
using Strata.Machines.Boot;

namespace Strata.Machines.Tests.Boot;

/// <summary>Multiboot specification 0.6.96: "The layout of Multiboot header", "Machine state", "Boot information format".</summary>
public sealed class Multiboot1Tests : IDisposable
{
    private const int Header = MultibootImages.HeaderOffset;
    private readonly BootBench _bench = new();

    [Fact]
    public void Load_AddressFields_PlacesTheImageAndZerosItsBss()
    {
        byte[] image = MultibootImages.Create();
        _bench.Fill(MultibootImages.LoadAddress, 0x10000, 0xCC);

        BootEntry entry = _bench.Load(image);

        Assert.Equal(
            new BootEntry(EntryMode.Protected32, MultibootImages.Entry, Rax: 0x2BADB002, Rbx: entry.Rbx, ExpectsBios: true), entry);
        byte[] expected = [.. image, .. new byte[MultibootImages.BssSize], 0xCC];
        Assert.Equal(expected, _bench.Bytes(MultibootImages.LoadAddress, expected.Length));
    }

    [Fact]
    public void Load_LoadAddressBehindTheFilesStart_SkipsWhatIsBeforeIt()
    {
        byte[] image = MultibootImages.Create().Put32(Header + 16, MultibootImages.LoadAddress + 0x20);

        _bench.Load(image);

        Assert.Equal(image[0x20..], _bench.Bytes(MultibootImages.LoadAddress + 0x20, image.Length - 0x20));
    }

    [Fact]
    public void Load_LoadEndZero_LoadsTheWholeFile()
    {
        byte[] image = MultibootImages.Create().Put32(Header + 20, 0).Put32(Header + 24, 0);

        _bench.Load(image);

        Assert.Equal(image, _bench.Bytes(MultibootImages.LoadAddress, image.Length));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Load_ElfWithHeader_EntersByTheElfHeader(bool is64)
    {
        BootEntry entry = _bench.Load(ElfImages.CreateMultiboot(is64));

        Assert.Equal((EntryMode.Protected32, ElfImages.Entry, 0x2BADB002UL), (entry.Mode, (uint)entry.Rip, entry.Rax));
        Assert.Equal(ElfImages.First, _bench.Bytes(ElfImages.FirstAddress, ElfImages.FirstSize));
        Assert.Equal(ElfImages.Second, _bench.Bytes(ElfImages.SecondAddress, ElfImages.SecondSize));
    }

    /// <summary>
    /// Kernels that are linked high, such as GNU Mach at C1000000h, name their entry by the address that it has under paging.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Load_ElfWithAVirtualEntry_EntersAtItsPhysicalAddress(bool is64)
    {
        byte[] image = ElfImages.CreateMultiboot(is64);
        ulong entry = ElfImages.Entry + (ulong)ElfImages.KernelBase;

        BootEntry loaded = _bench.Load(is64 ? image.Put64(24, entry) : image.Put32(24, (uint)entry));

        Assert.Equal(ElfImages.Entry, loaded.Rip);
    }

    [Fact]
    public void Load_Information_HasMemoryCommandLineAndLoaderName()
    {
        _bench.Fill(0x8000, 0x90000, 0xCC);

        ulong info = _bench.Load(MultibootImages.Create(), commandLine: "test 1 2").Rbx;

        Assert.Equal(0b10_0100_0101u, _bench.Read32(info)); // flags: mem, cmdline, mmap, boot_loader_name
        Assert.Equal(640u, _bench.Read32(info + 4)); // mem_lower, KiB
        Assert.Equal((uint)((BootBench.Size - 0x100000) / 1024), _bench.Read32(info + 8)); // mem_upper, KiB
        Assert.Equal("kernel.elf test 1 2", _bench.Text(_bench.Read32(info + 16)));
        Assert.Equal("Strata", _bench.Text(_bench.Read32(info + 64)));
    }

    [Fact]
    public void Load_MemoryMap_IsAListOfSizePrefixedRanges()
    {
        ulong info = _bench.Load(MultibootImages.Create()).Rbx;

        uint length = _bench.Read32(info + 44);
        uint at = _bench.Read32(info + 48);
        uint end = at + length;
        List<MemoryMapEntry> map = [];
        for (; at < end; at += _bench.Read32(at) + 4)
        {
            map.Add(new MemoryMapEntry(_bench.Read64(at + 4), _bench.Read64(at + 12), _bench.Read32(at + 20)));
        }

        Assert.Equal(end, at);
        Assert.Equal(BootBench.Map, map);
    }

    [Fact]
    public void Load_Initrd_IsAPageAlignedModuleBehindTheBss()
    {
        byte[] initrd = LittleEndian.Pattern(12_345, 9);

        ulong info = _bench.Load(MultibootImages.Create(), initrd).Rbx;

        Assert.Equal(1u << 3, _bench.Read32(info) & (1 << 3));
        Assert.Equal(1u, _bench.Read32(info + 20)); // mods_count
        uint module = _bench.Read32(info + 24);
        uint start = _bench.Read32(module);
        Assert.Equal(start + (uint)initrd.Length, _bench.Read32(module + 4)); // mod_end: behind the last byte
        Assert.Equal(0u, _bench.Read32(module + 12)); // reserved
        Assert.Equal(0u, start % 4096);
        Assert.InRange(start, MultibootImages.LoadAddress + MultibootImages.Size + MultibootImages.BssSize, (uint)BootBench.Size);
        Assert.Equal(initrd, _bench.Bytes(start, initrd.Length));
    }

    [Theory]
    [InlineData(8192 - 12, true)]
    [InlineData(8192 - 8, false)]
    [InlineData(0x42, false)]
    public void Matches_HeaderAt_OnlyWhollyInTheFirst8KAndAligned(int offset, bool expected)
    {
        byte[] image = new byte[16384].PutBytes(offset, MultibootImages.Header(0));

        Assert.Equal(expected, Multiboot1.Matches(image));
    }

    [Fact]
    public void Matches_WrongChecksum_IsFalse() => Assert.False(Multiboot1.Matches(MultibootImages.Create().Put32(Header + 8, 0)));

    [Fact]
    public void Load_UnknownRequiredFeature_IsRefused()
    {
        BootImageException error = Assert.Throws<BootImageException>(
            () => _bench.Load(MultibootImages.Create().PutBytes(Header, MultibootImages.Header((1 << 16) | (1 << 5)))));

        Assert.Contains("0x20", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_UnknownOptionalFeature_IsIgnored() =>
        Assert.Equal(
            0x2BADB002UL, _bench.Load(MultibootImages.Create().PutBytes(Header, MultibootImages.Header((1 << 16) | (1 << 20)))).Rax);

    [Theory]
    [InlineData(12, 0u)] // header_addr below load_addr
    [InlineData(12, 0xFFFFFFFFu)] // the file would start before itself
    [InlineData(20, MultibootImages.LoadAddress - 1)] // ends before it starts
    [InlineData(20, MultibootImages.LoadAddress + MultibootImages.Size + 1)] // longer than the file
    [InlineData(24, 0xFFFFFFFFu)] // more bss than memory
    [InlineData(24, MultibootImages.LoadAddress + MultibootImages.Size - 1)] // zeroed memory that ends inside what is loaded
    public void Load_ImpossibleAddressField_IsRefused(int field, uint value) =>
        Assert.Throws<BootImageException>(() => _bench.Load(MultibootImages.Create().Put32(Header + field, value)));

    [Fact]
    public void Load_EntryBeyond4GiB_IsRefused() =>
        Assert.Throws<BootImageException>(() => _bench.Load(ElfImages.CreateMultiboot(is64: true).Put64(24, 0x1_0020_0000)));

    [Fact]
    public void Load_NoCommandLine_IsTheKernelsNameAlone() =>
        Assert.Equal("kernel.elf", _bench.Text(_bench.Read32(_bench.Load(MultibootImages.Create()).Rbx + 16)));

    [Fact]
    public void Load_Modules_FollowTheInitrdEachWithItsOwnString()
    {
        byte[] initrd = LittleEndian.Pattern(5_000, 1);
        BootModule[] modules = [
            new(LittleEndian.Pattern(12_345, 2), "vmlinuz root=/dev/sda quiet"), new(LittleEndian.Pattern(1, 3), "tiny")];

        ulong info = BootLoader.Load(_bench.Request(MultibootImages.Create(), initrd) with { Modules = modules }).Rbx;

        Assert.Equal(3u, _bench.Read32(info + 20)); // mods_count
        (
            byte[] Content,
            string Text)[] expected = [(initrd, "initrd"), .. modules.Select(module => (module.Content.ToArray(), module.Text))];
        uint table = _bench.Read32(info + 24);
        Assert.All(expected.Index(), item =>
        {
            uint at = table + (16 * (uint)item.Index);
            uint start = _bench.Read32(at);
            Assert.Equal(0u, start % 4096);
            Assert.Equal(item.Item.Content, _bench.Bytes(start, (int)(_bench.Read32(at + 4) - start)));
            Assert.Equal(item.Item.Text, _bench.Text(_bench.Read32(at + 8)));
        });
    }

    [Theory]
    [InlineData(0xD000u, 0x800)] // where the tables are otherwise
    [InlineData(0x1000u, 0x9EC00)] // all low memory
    [InlineData(0x8000u, 0x5A00)]
    public void Load_KernelLinkedLow_FindsTheBootInformationElsewhere(uint address, int size)
    {
        byte[] image = LittleEndian.Pattern(size, 5)
            .PutBytes(Header, MultibootImages.Header(1 << 16))
            .Put32(Header + 12, address + Header).Put32(Header + 16, address).Put32(Header + 20, 0).Put32(Header + 24, 0);

        ulong info = _bench.Load(image, commandLine: "x").Rbx;

        Assert.Equal(image, _bench.Bytes(address, image.Length));
        ulong[] tables = [info, _bench.Read32(info + 16), _bench.Read32(info + 48), _bench.Read32(info + 64)];
        Assert.All(tables, table => Assert.False(table >= address && table < address + (ulong)size, $"0x{table:x} lies in the image."));
        Assert.Equal("kernel.elf x", _bench.Text(_bench.Read32(info + 16)));
    }

    [Fact]
    public void Load_ModulesThatFillMemory_AreRefused()
    {
        BootModule module = new(new byte[BootBench.Size / 2], "half");

        BootImageException error = Assert.Throws<BootImageException>(
            () => BootLoader.Load(_bench.Request(MultibootImages.Create()) with { Modules = [module, module] }));

        Assert.Contains("half", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_CompressedImage_IsUnpacked()
    {
        byte[] image = MultibootImages.Create();

        _bench.Load(Compress(image));

        Assert.Equal(image, _bench.Bytes(MultibootImages.LoadAddress, image.Length));
    }

    [Fact]
    public void Load_CompressedImageLargerThanMemory_IsRefused()
    {
        BootImageException error = Assert.Throws<BootImageException>(() => _bench.Load(Compress(new byte[BootBench.Size + 1])));

        Assert.Contains("16 MiB", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_DamagedCompressedImage_IsRefused()
    {
        byte[] file = Compress(LittleEndian.Pattern(100_000, 7));
        file.AsSpan(20, 40).Fill(0xFF);

        Assert.Throws<BootImageException>(() => _bench.Load(file));
    }

    public void Dispose() => _bench.Dispose();

    private static byte[] Compress(byte[] bytes)
    {
        using MemoryStream result = new();
        using (GZipStream stream = new(result, CompressionLevel.Fastest))
        {
            stream.Write(bytes);
        }

        return result.ToArray();
    }
}
