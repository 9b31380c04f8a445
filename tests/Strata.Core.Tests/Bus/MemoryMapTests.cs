using Strata.Core.Bus;
using Strata.Core.Execution;
using Strata.Core.Memory;

namespace Strata.Core.Tests.Bus;

/// <summary>Regions that overlap, aliases, holes, and changes of the map.</summary>
public sealed class MemoryMapTests : IDisposable
{
    private const ulong Page = GuestMemory.PageSize;

    private readonly GuestMemory _ram = new(64 * Page);
    private readonly GuestMemory _rom = new(16 * Page);
    private readonly AddressSpace _space = new();

    public MemoryMapTests()
    {
        for (ulong page = 0; page < 64; page++)
        {
            _ram.Slice(page * Page, (int)Page).Fill((byte)page);
        }

        _rom.Slice(0, 16 * (int)Page).Fill(0xE0);
    }

    public void Dispose()
    {
        _ram.Dispose();
        _rom.Dispose();
    }

    [Theory]
    [InlineData(MemoryRegion.DevicePriority, 0x02UL)]
    [InlineData(MemoryRegion.OverlayPriority, 0x77UL)]
    public void Read_DeviceOverRam_HigherPriorityShows(int priority, ulong expected)
    {
        _space.MapRam(0, _ram, 0, 8 * Page);
        _space.Map(MemoryRegion.OfDevice(2 * Page, Page, new RecordingDevice(0x77), priority));

        Assert.Equal(expected, _space.Read(2 * Page, AccessWidth.Byte));
        Assert.Equal(3UL, _space.Read(3 * Page, AccessWidth.Byte));
    }

    [Fact]
    public void Map_WindowOverRam_SplitsItAndGivesItBack()
    {
        _space.MapRam(0, _ram, 0, 8 * Page);
        RecordingDevice device = new(0x77);

        MemoryRegion window = _space.Map(MemoryRegion.OfDevice(2 * Page, 2 * Page, device, MemoryRegion.OverlayPriority));
        (ulong, ulong, bool)[] split = [.. _space.RamRanges()];
        bool crosses = _space.TryGetSpan((2 * Page) - 1, 2, out _);
        _space.Write((3 * Page) + 4, AccessWidth.Word, 5);
        _space.Unmap(window);

        Assert.Equal([(0UL, 2 * Page, false), (4 * Page, 4 * Page, false)], split);
        Assert.False(crosses);
        Assert.Equal((Page + 4, AccessWidth.Word, 5UL), Assert.Single(device.Writes));
        Assert.Equal([(0UL, 8 * Page, false)], _space.RamRanges());
        Assert.Equal(3UL, _space.Read((3 * Page) + 4, AccessWidth.Byte));
    }

    [Fact]
    public void Map_DeviceWithinAPage_LeavesTheRestOfThePageToTheBus()
    {
        _space.MapRam(0, _ram, 0, 8 * Page);
        _space.Map(MemoryRegion.OfDevice((2 * Page) + 0x100, 0x10, new RecordingDevice(0x77), MemoryRegion.OverlayPriority));

        Assert.False(_space.TryGetRamPage(2 * Page, out _)); // engines keep host addresses of whole pages
        Assert.Equal(2UL, _space.Read((2 * Page) + 0xFF, AccessWidth.Byte));
        Assert.Equal(0x77UL, _space.Read((2 * Page) + 0x10F, AccessWidth.Byte));
        Assert.Equal(2UL, _space.Read((2 * Page) + 0x110, AccessWidth.Byte));
    }

    [Fact]
    public void Map_Hole_ReadsOnesAndIgnoresWrites()
    {
        _space.MapRam(0, _ram, 0, 8 * Page);
        MemoryRegion hole = _space.Map(MemoryRegion.Hole(Page, Page));

        ulong read = _space.Read(Page, AccessWidth.Dword);
        _space.Write(Page, AccessWidth.Byte, 9);
        _space.Unmap(hole);

        Assert.Equal(uint.MaxValue, read);
        Assert.Equal(1UL, _space.Read(Page, AccessWidth.Byte));
    }

    [Fact]
    public void Rom_Writes_GoToItsDeviceOrNowhere()
    {
        RecordingDevice flash = new();
        _space.Map(MemoryRegion.Rom(0, _rom, 0, Page));
        _space.Map(MemoryRegion.Rom(Page, _rom, Page, Page, writes: flash));

        _space.Write(8, AccessWidth.Byte, 1);
        _space.Write(Page + 8, AccessWidth.Byte, 0x90);

        Assert.Equal((8UL, AccessWidth.Byte, 0x90UL), Assert.Single(flash.Writes));
        Assert.Equal(0xE0E0UL, _space.Read(Page + 8, AccessWidth.Word));
        Assert.False(_space.TryBeginWrite(Page, 1, out _));
        Assert.False(_space.TryDiscard(Page, Page));
    }

    [Fact]
    public void Alias_OfSeveralThings_ShowsThemAndNothingWhereThereIsNothing()
    {
        RecordingDevice device = new(0x55);
        _space.MapRam(0, _ram, 0, 2 * Page);
        _space.MapDevice(2 * Page, Page, device);
        _space.MapRam(0x103 * Page, _rom, 0, Page); // shows through: nothing lies at 3 * Page

        _space.Map(MemoryRegion.Alias(0x100 * Page, 4 * Page, 0));

        Assert.Equal(1UL, _space.Read(0x101 * Page, AccessWidth.Byte));
        Assert.Equal(0x55UL, _space.Read((0x102 * Page) + 8, AccessWidth.Byte));
        Assert.Equal((8UL, AccessWidth.Byte), Assert.Single(device.Reads));
        Assert.Equal(0xE0UL, _space.Read(0x103 * Page, AccessWidth.Byte));
        Assert.True(_space.TryGetRamPage(0x101 * Page, out RamPage page));
        Assert.Equal(new RamPage(_ram, 1, false), page);
    }

    [Fact]
    public void Map_SamePriority_ThrowsAndChangesNothing()
    {
        _space.MapRam(0, _ram, 0, 4 * Page);

        Assert.Throws<InvalidOperationException>(() => _space.Map(MemoryRegion.Ram(3 * Page, _rom, 0, Page)));
        Assert.Throws<InvalidOperationException>(() => _space.Map(MemoryRegion.Hole(3 * Page, Page, MemoryRegion.RamPriority)));

        Assert.Equal(3UL, _space.Read(3 * Page, AccessWidth.Byte));
        Assert.Single(_space.Current.Regions);
    }

    [Fact]
    public void Change_OneForAnother_IsOneStep()
    {
        MemoryRegion low = _space.MapRam(0, _ram, 0, Page);
        int notices = 0;
        _space.MapChanged += (_, _) => notices++;

        _space.Change([low], [MemoryRegion.Ram(0, _ram, 5 * Page, Page)]);

        Assert.Equal(1, notices);
        Assert.Equal(5UL, _space.Read(0, AccessWidth.Byte));
    }

    [Fact]
    public void MapChanged_DevicesThatHideNoMemory_IsNotRaised()
    {
        _space.MapRam(0, _ram, 0, 4 * Page);
        int notices = 0;
        _space.MapChanged += (_, _) => notices++;

        _space.MapDevice(0x100 * Page, Page, new RecordingDevice());
        _space.MapDevice(Page, Page, new RecordingDevice());
        MemoryRegion hole = _space.Map(MemoryRegion.Hole(0x200 * Page, Page));
        int before = notices;
        _space.Map(MemoryRegion.Hole(0, Page));
        _space.Unmap(hole);

        Assert.Equal((0, 1), (before, notices));
    }

    [Fact]
    public void Unmap_Memory_StaysKnownWithItsNotices()
    {
        MemoryRegion region = _space.MapRam(0, _ram, 0, Page);
        List<ulong> written = [];
        _space.CodeWritten += (_, page) => written.Add(page);
        _space.Unmap(region);
        _space.Map(region);

        _ram.MarkCode(0);
        _space.Write(0, AccessWidth.Byte, 1);

        Assert.Equal([0UL], written);
        Assert.Equal([_ram], _space.KnownMemories.ToArray());
    }

    [Fact]
    public void AddBlindWriter_MemoryMappedLater_HasItToo()
    {
        _space.AddBlindWriter();
        _space.MapRam(0, _ram, 0, Page);
        int with = _ram.BlindWriters;

        _space.RemoveBlindWriter();

        Assert.Equal((1, 0), (with, _ram.BlindWriters));
    }

    [Fact]
    public void Change_VcpuThatUsesTheOldMap_IsWaitedFor()
    {
        AttentionTicket? ticket = null;
        _space.MapChanged += (_, round) => ticket = round.Join();

        AttentionRound change = _space.Change([], [MemoryRegion.Ram(0, _ram, 0, Page)]);
        bool early = change.IsOver;
        ticket!.Settle();
        change.Wait();

        Assert.False(early);
        Assert.True(change.IsOver);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Change_AtRandom_ShowsWhatANaiveModelShows(int seed)
    {
        const int pages = 48;
        Random random = new(seed);
        List<MemoryRegion> regions = [];
        RecordingDevice[] devices = [new(0xA1), new(0xA2), new(0xA3)];
        for (int step = 0; step < 400; step++)
        {
            if (regions.Count > 12 || (regions.Count > 0 && random.Next(3) == 0))
            {
                MemoryRegion gone = regions[random.Next(regions.Count)];
                regions.Remove(gone);
                _space.Unmap(gone);
            }
            else if (RandomRegion(random, pages, devices) is var region && !regions.Exists(other => Clashes(other, region)))
            {
                regions.Add(region);
                _space.Map(region);
            }

            for (ulong page = 0; page < pages; page++)
            {
                Assert.Equal(Naive(regions, page * Page, followAliases: true) ?? 0xFF, (byte)_space.Read(page * Page, AccessWidth.Byte));
            }
        }
    }

    private static bool Clashes(MemoryRegion one, MemoryRegion other) =>
        one.Priority == other.Priority && one.Overlaps(other.Start, other.Length);

    private MemoryRegion RandomRegion(Random random, int pages, RecordingDevice[] devices)
    {
        ulong start = (ulong)random.Next(pages) * Page;
        ulong length = (ulong)random.Next(1, 9) * Page;
        int priority = random.Next(4);
        return random.Next(5) switch
        {
            0 => MemoryRegion.Ram(start, _ram, (ulong)random.Next(40) * Page, length, priority),
            1 => MemoryRegion.Rom(start, _rom, (ulong)random.Next(8) * Page, length, priority),
            2 => MemoryRegion.OfDevice(start, length, devices[random.Next(devices.Length)], priority),
            3 => MemoryRegion.Alias(start, length, (ulong)random.Next(pages) * Page, priority),
            _ => MemoryRegion.Hole(start, length, priority),
        };
    }

    /// <summary>The byte at an address, asked of each region from the highest on.</summary>
    private static byte? Naive(List<MemoryRegion> regions, ulong gpa, bool followAliases)
    {
        foreach (MemoryRegion region in regions.Where(region => region.Overlaps(gpa, 1)).OrderByDescending(region => region.Priority))
        {
            byte? value = region.Kind switch
            {
                RegionKind.Alias => followAliases ? Naive(regions, gpa - region.Start + region.Target, followAliases: false) : null,
                RegionKind.Hole => 0xFF,
                RegionKind.Device => (byte)region.Device!.ReadMmio(0, AccessWidth.Byte),
                _ => region.Memory!.Slice(region.Offset + (gpa - region.Start), 1)[0],
            };
            if (value is not null)
            {
                return value;
            }
        }

        return null;
    }
}
