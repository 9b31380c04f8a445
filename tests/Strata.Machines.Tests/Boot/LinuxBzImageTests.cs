using Strata.Machines.Boot;

namespace Strata.Machines.Tests.Boot;

/// <summary>Linux kernel documentation, "The Linux/x86 Boot Protocol" (64-bit and 32-bit boot protocol) and "Zero Page".</summary>
public sealed class LinuxBzImageTests : IDisposable
{
    private readonly BootBench _bench = new();

    [Fact]
    public void Load_Kernel64_PlacesThePayloadAndEntersAt0x200BehindIt()
    {
        BootEntry entry = _bench.Load(BzImages.Create());

        Assert.Equal(EntryMode.Long64, entry.Mode);
        Assert.Equal(BzImages.PreferredAddress + 0x200UL, entry.Rip);
        Assert.Equal(BzImages.Payload, _bench.Bytes(BzImages.PreferredAddress, BzImages.PayloadSize));
    }

    [Theory]
    [InlineData(0x20F, false)]
    [InlineData(0x20B, true)] // xloadflags came with 2.12
    public void Load_NoEntryFor64Bit_EntersThePayloadsStart(ushort version, bool flag)
    {
        BootEntry entry = _bench.Load(BzImages.Create(version, flag));

        Assert.Equal(new BootEntry(EntryMode.Protected32, BzImages.PreferredAddress, Rsi: entry.Rsi), entry);
        Assert.NotEqual(0UL, entry.Rsi);
    }

    [Fact]
    public void Load_ProtocolWithoutPreferredAddress_LoadsAtOneMegabyte()
    {
        BootEntry entry = _bench.Load(BzImages.Create(version: 0x209));

        Assert.Equal(0x100000UL, entry.Rip);
        Assert.Equal(BzImages.Payload, _bench.Bytes(0x100000, BzImages.PayloadSize));
    }

    [Fact]
    public void Load_ZeroPage_HoldsTheSetupHeaderAndZerosElsewhere()
    {
        byte[] image = BzImages.Create();
        _bench.Fill(0x1000, 0x90000, 0xCC);

        ulong page = _bench.Load(image).Rsi;

        int[] loaderFields = [0x210, 0x211, .. Enumerable.Range(0x218, 8), 0x224, 0x225, .. Enumerable.Range(0x228, 4)];
        byte[] expected = image.AsSpan(BzImages.HeaderStart, BzImages.HeaderEnd - BzImages.HeaderStart).ToArray();
        byte[] actual = _bench.Bytes(page + BzImages.HeaderStart, expected.Length);
        Assert.All(
            Enumerable.Range(0, expected.Length).Where(i => !loaderFields.Contains(BzImages.HeaderStart + i)), i =>
                Assert.Equal(expected[i], actual[i]));
        Assert.All(_bench.Bytes(page, 0x70), value => Assert.Equal(0, value)); // screen_info, apm_bios_info
        Assert.Equal(0, _bench.Read8(page + 0x1EF)); // sentinel: a cleared page
        Assert.All(_bench.Bytes(page + BzImages.HeaderEnd, 0x2D0 - BzImages.HeaderEnd), value => Assert.Equal(0, value));
    }

    [Fact]
    public void Load_ZeroPage_HoldsWhatALoaderMustFillIn()
    {
        ulong page = _bench.Load(BzImages.Create()).Rsi;

        Assert.Equal(0xFF, _bench.Read8(page + 0x210)); // type_of_loader: no assigned number
        Assert.Equal(0x81, _bench.Read8(page + 0x211)); // LOADED_HIGH, CAN_USE_HEAP
        Assert.Equal(BootBench.Rsdp, _bench.Read64(page + 0x70)); // acpi_rsdp_addr
        Assert.Equal(0u, _bench.Read32(page + 0x218)); // ramdisk_image
        Assert.Equal(0u, _bench.Read32(page + 0x21C)); // ramdisk_size
        Assert.Equal(0UL, _bench.Read64(page + 0x250)); // setup_data
    }

    [Fact]
    public void Load_ZeroPage_HoldsTheMemoryMap()
    {
        ulong page = _bench.Load(BzImages.Create()).Rsi;

        Assert.Equal(BootBench.Map.Count, _bench.Read8(page + 0x1E8)); // e820_entries
        Assert.All(BootBench.Map.Index(), item =>
        {
            ulong at = page + 0x2D0 + (20 * (ulong)item.Index);
            Assert.Equal(item.Item, new MemoryMapEntry(_bench.Read64(at), _bench.Read64(at + 8), _bench.Read32(at + 16)));
        });
    }

    [Fact]
    public void Load_MemoryMapWithTooManyRanges_TakesThoseThatFit()
    {
        BootRequest request = new()
        {
            Memory = _bench.Memory,
            LowMemory = BootBench.Size,
            MemoryMap = [.. Enumerable.Range(0, 300).Select(i => new MemoryMapEntry((ulong)i << 20, 1 << 20, 1))],
            Kernel = BzImages.Create(),
        };

        ulong page = BootLoader.Load(request).Rsi;

        Assert.Equal(128, _bench.Read8(page + 0x1E8)); // E820_MAX_ENTRIES_ZEROPAGE
        Assert.Equal(127UL << 20, _bench.Read64(page + 0x2D0 + (127 * 20)));
        Assert.Equal(0UL, _bench.Read64(page + 0x2D0 + (128 * 20))); // 0xCD0: behind the table
    }

    [Fact]
    public void Load_CommandLine_IsAZeroTerminatedStringBelowTheEbda()
    {
        ulong page = _bench.Load(BzImages.Create(), commandLine: "console=ttyS0 quiet").Rsi;

        uint at = _bench.Read32(page + 0x228); // cmd_line_ptr
        Assert.Equal("console=ttyS0 quiet", _bench.Text(at));
        Assert.InRange(at, 0x1000u, 0x9FFFFu);
    }

    [Theory]
    [InlineData(255, true)]
    [InlineData(256, false)]
    public void Load_CommandLineAtTheKernelsLimit_FitsWithoutItsTerminator(int length, bool fits)
    {
        string text = new('x', length);
        byte[] image = BzImages.Create(); // cmdline_size 255, "without the terminating zero"

        Exception? error = Record.Exception(() => _bench.Load(image, commandLine: text));

        Assert.Equal(fits ? null : typeof(BootImageException), error?.GetType());
    }

    [Fact]
    public void Load_Initrd_LiesAtTheEndOfMemoryAndClearOfTheKernel()
    {
        byte[] initrd = LittleEndian.Pattern(300_001, 9);

        ulong page = _bench.Load(BzImages.Create(), initrd).Rsi;

        uint start = _bench.Read32(page + 0x218);
        Assert.Equal((uint)initrd.Length, _bench.Read32(page + 0x21C));
        Assert.Equal(initrd, _bench.Bytes(start, initrd.Length));
        Assert.Equal(0u, start % 4096);
        Assert.InRange(start, BzImages.PreferredAddress + BzImages.InitSize, (uint)BootBench.Size - (uint)initrd.Length);
    }

    [Fact]
    public void Load_InitrdAddressLimit_IsObeyed()
    {
        const uint highest = 0x8FFFFF; // initrd_addr_max: of the last byte
        byte[] initrd = LittleEndian.Pattern(10_000, 9);

        ulong page = _bench.Load(BzImages.Create().Put32(0x22C, highest), initrd).Rsi;

        Assert.InRange(_bench.Read32(page + 0x218) + (uint)initrd.Length - 1, 0u, highest);
    }

    [Fact]
    public void Load_InitSizeSmallerThanThePayload_KeepsTheInitrdOffThePayload()
    {
        byte[] image = BzImages.Create().Put32(0x260, 16).Put32(0x22C, BzImages.PreferredAddress + 0x2FFF);
        byte[] initrd = LittleEndian.Pattern(8192, 9);

        BootImageException error = Assert.Throws<BootImageException>(() => _bench.Load(image, initrd));

        Assert.Contains("initrd", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_SetupSectorsZero_MeansFour()
    {
        BootEntry entry = _bench.Load(BzImages.Create().PutBytes(0x1F1, [0]));

        Assert.Equal(BzImages.Payload, _bench.Bytes(entry.Rip - 0x200, BzImages.PayloadSize));
    }

    [Theory]
    [InlineData(0x205)]
    [InlineData(0x200)]
    public void Load_OldProtocol_NamesTheOldestThatWorks(ushort version)
    {
        BootImageException error = Assert.Throws<BootImageException>(() => _bench.Load(BzImages.Create(version)));

        Assert.Contains("2.06", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_ZImageForLowMemory_IsRefused() =>
        Assert.Throws<BootImageException>(() => _bench.Load(BzImages.Create().PutBytes(0x211, [0])));

    [Theory]
    [InlineData(0x10000000u)]
    [InlineData(0xFFFFFFFFu)]
    [InlineData((BzImages.PayloadSize / 16) + 1u)]
    public void Load_SizeBeyondTheFile_SaysTruncated(uint paragraphs)
    {
        BootImageException error = Assert.Throws<BootImageException>(() => _bench.Load(BzImages.Create().Put32(0x1F4, paragraphs)));

        Assert.Contains("truncated", error.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _bench.Dispose();
}
