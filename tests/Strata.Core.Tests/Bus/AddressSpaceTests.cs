using Strata.Core.Bus;
using Strata.Core.Memory;

namespace Strata.Core.Tests.Bus;

public sealed class AddressSpaceTests : IDisposable
{
    private const ulong Page = GuestMemory.PageSize;

    private readonly GuestMemory _memory = new(16 * Page);
    private readonly AddressSpace _space = new();

    public void Dispose() => _memory.Dispose();

    [Theory]
    [InlineData(AccessWidth.Byte, 0xFFUL)]
    [InlineData(AccessWidth.Word, 0xFFFFUL)]
    [InlineData(AccessWidth.Dword, 0xFFFF_FFFFUL)]
    [InlineData(AccessWidth.Qword, ulong.MaxValue)]
    public void Read_NothingMapped_ReadsAllOnes(AccessWidth width, ulong expected)
    {
        Assert.Equal(expected, _space.Read(0xDEAD_0000, width));
        Assert.Equal(expected, _space.Read(ulong.MaxValue, width));
    }

    [Fact]
    public void Write_NothingMapped_IsIgnored()
    {
        _space.Write(0x1234, AccessWidth.Qword, 1);
        _space.Write(ulong.MaxValue, AccessWidth.Qword, 1);

        Assert.Equal(0xFFUL, _space.Read(0x1234, AccessWidth.Byte));
    }

    [Theory]
    [InlineData(AccessWidth.Byte, 0x88UL)]
    [InlineData(AccessWidth.Word, 0x7788UL)]
    [InlineData(AccessWidth.Dword, 0x5566_7788UL)]
    [InlineData(AccessWidth.Qword, 0x1122_3344_5566_7788UL)]
    public void Read_Ram_IsLittleEndianInEveryWidth(AccessWidth width, ulong expected)
    {
        _space.MapRam(0x10_0000, _memory, 2 * Page, Page);
        _space.Write(0x10_0003, AccessWidth.Qword, 0x1122_3344_5566_7788);

        Assert.Equal(expected, _space.Read(0x10_0003, width));
        Assert.Equal(0x88, _memory.Slice((2 * Page) + 3, 1)[0]);
    }

    [Fact]
    public void Write_NarrowRam_LeavesNeighboursAlone()
    {
        _space.MapRam(0, _memory, 0, Page);
        _space.Write(0x10, AccessWidth.Qword, ulong.MaxValue);

        _space.Write(0x12, AccessWidth.Word, 0xABCD_1234);

        Assert.Equal(0xFFFF_FFFF_1234_FFFFUL, _space.Read(0x10, AccessWidth.Qword));
    }

    [Fact]
    public void Write_RamPageBoundary_MarksBothPagesDirty()
    {
        _space.MapRam(0, _memory, 4 * Page, 2 * Page);

        _space.Write(Page - 2, AccessWidth.Dword, 0x0403_0201);

        Assert.Equal(0x0403_0201UL, _space.Read(Page - 2, AccessWidth.Dword));
        Assert.True(_memory.IsDirty(4));
        Assert.True(_memory.IsDirty(5));
        Assert.False(_memory.IsDirty(3));
        Assert.False(_memory.IsDirty(6));
    }

    [Fact]
    public void Read_PastEndOfRam_ReadsAllOnes()
    {
        _space.MapRam(0, _memory, 0, Page);

        Assert.Equal(0xFFFF_FFFFUL, _space.Read(Page - 2, AccessWidth.Dword));
        _space.Write(Page - 2, AccessWidth.Dword, 0x1234_5678);
        Assert.Equal(0UL, _space.Read(Page - 2, AccessWidth.Word));
    }

    [Fact]
    public void Write_Rom_IsIgnoredAndLeavesPageClean()
    {
        _memory.Slice(0, 1)[0] = 0x5A;
        _space.MapRam(0xF_0000, _memory, 0, Page, readOnly: true);

        _space.Write(0xF_0000, AccessWidth.Byte, 0);

        Assert.Equal(0x5AUL, _space.Read(0xF_0000, AccessWidth.Byte));
        Assert.False(_memory.IsDirty(0));
        Assert.False(_space.TryBeginWrite(0xF_0000, 1, out _));
        Assert.False(_space.IsWritableRam(0xF_0000, 1));
        Assert.True(_space.TryGetSpan(0xF_0000, 1, out _));
    }

    [Theory]
    [InlineData(0x1001UL, 0UL, 0x1000UL)]
    [InlineData(0x1000UL, 8UL, 0x1000UL)]
    [InlineData(0x1000UL, 0UL, 0x800UL)]
    [InlineData(0x1000UL, 0UL, 0UL)]
    [InlineData(0x1000UL, 0xF000UL, 0x2000UL)]
    [InlineData(0x1000UL, 0xFFFF_FFFF_FFFF_F000UL, 0x2000UL)]
    [InlineData(0xFFFF_FFFF_FFFF_F000UL, 0UL, 0x2000UL)]
    public void MapRam_MisalignedOrOutside_Throws(ulong gpa, ulong offset, ulong length)
    {
        Assert.Throws<ArgumentException>(() => _space.MapRam(gpa, _memory, offset, length));
    }

    [Fact]
    public void MapRam_OverlappingRam_ThrowsAndKeepsTheFirst()
    {
        _space.MapRam(2 * Page, _memory, 0, 2 * Page);

        Assert.Throws<InvalidOperationException>(() => _space.MapRam(Page, _memory, 4 * Page, 2 * Page));
        Assert.Throws<InvalidOperationException>(() => _space.MapRam(3 * Page, _memory, 4 * Page, Page));
        _space.MapRam(Page, _memory, 4 * Page, Page);
        _space.MapRam(4 * Page, _memory, 5 * Page, Page);

        Assert.Equal([(Page, Page, false), (2 * Page, 2 * Page, false), (4 * Page, Page, false)], _space.RamRanges());
        Assert.Same(_memory, Assert.Single(_space.Memories()));
    }

    [Fact]
    public void MapDevice_OverlappingDevice_Throws()
    {
        _space.MapDevice(0x1000, 0x100, new RecordingDevice());

        Assert.Throws<InvalidOperationException>(() => _space.MapDevice(0x10FF, 1, new RecordingDevice()));
        Assert.Throws<InvalidOperationException>(() => _space.MapDevice(0xFFF, 2, new RecordingDevice()));
        Assert.Throws<ArgumentOutOfRangeException>(() => _space.MapDevice(0x2000, 0, new RecordingDevice()));
        _space.MapDevice(0x1100, 1, new RecordingDevice());
        _space.MapDevice(0xFFF, 1, new RecordingDevice());
    }

    [Fact]
    public void TryMapDevice_PlaceTaken_ReturnsFalseAndKeepsTheFirst()
    {
        RecordingDevice first = new(1);

        Assert.True(_space.TryMapDevice(0x1000, 0x100, first));
        Assert.False(_space.TryMapDevice(0x1080, 0x100, new RecordingDevice(2)));

        Assert.Equal(1UL, _space.Read(0x1080, AccessWidth.Dword));
        Assert.Equal(0xFFUL, _space.Read(0x1100, AccessWidth.Byte));
    }

    [Fact]
    public void Access_Device_SeesOffsetWidthAndMaskedValue()
    {
        RecordingDevice device = new(0x1122_3344_5566_7788);
        _space.MapDevice(0xFEC0_0000, 0x1000, device);

        ulong value = _space.Read(0xFEC0_0010, AccessWidth.Word);
        _space.Write(0xFEC0_0FFF, AccessWidth.Byte, 0xABCD);

        Assert.Equal(0x7788UL, value);
        Assert.Equal((0x10UL, AccessWidth.Word), Assert.Single(device.Reads));
        Assert.Equal((0xFFFUL, AccessWidth.Byte, 0xCDUL), Assert.Single(device.Writes));
    }

    [Fact]
    public void Read_ManyDevices_FindsTheRightOne()
    {
        for (ulong i = 0; i < 33; i++)
        {
            _space.MapDevice(((i * 7) % 33) * 0x1000, 0x800, new RecordingDevice((i * 7) % 33));
        }

        for (ulong i = 0; i < 33; i++)
        {
            Assert.Equal(i, _space.Read((i * 0x1000) + 0x7FF, AccessWidth.Byte));
            Assert.Equal(0xFFUL, _space.Read((i * 0x1000) + 0x800, AccessWidth.Byte));
        }
    }

    [Fact]
    public void Read_RamUnderDevice_RamWins()
    {
        _space.MapDevice(0, Page, new RecordingDevice(0x77));
        _space.MapRam(0, _memory, 0, Page);

        Assert.Equal(0UL, _space.Read(0, AccessWidth.Byte));
    }

    [Fact]
    public void UnmapDevice_OnlyThatDeviceAtThatPlace_IsRemoved()
    {
        RecordingDevice device = new(1);
        _space.MapDevice(0x1000, 0x100, device);

        _space.UnmapDevice(0x1000, new RecordingDevice());
        _space.UnmapDevice(0x1010, device);
        Assert.False(_space.IsFree(0x10FF, 1));

        _space.UnmapDevice(0x1000, device);
        Assert.True(_space.IsFree(0x1000, 0x100));
        Assert.Equal(0xFFUL, _space.Read(0x1000, AccessWidth.Byte));
    }

    [Fact]
    public void IsFree_Neighbours_AreFree()
    {
        _space.MapDevice(0x1000, 0x100, new RecordingDevice());

        Assert.True(_space.IsFree(0xF00, 0x100));
        Assert.True(_space.IsFree(0x1100, 0x100));
        Assert.False(_space.IsFree(0xF00, 0x101));
        Assert.False(_space.IsFree(0, 0x10000));
    }

    [Fact]
    public void TryGetSpan_Bounds_AreExact()
    {
        _space.MapRam(0x10000, _memory, Page, 2 * Page);

        Assert.True(_space.TryGetSpan(0x10000, (uint)(2 * Page), out ReadOnlySpan<byte> all));
        Assert.Equal((int)(2 * Page), all.Length);
        Assert.False(_space.TryGetSpan(0x10000, (uint)(2 * Page) + 1, out _));
        Assert.False(_space.TryGetSpan(0x10001, (uint)(2 * Page), out _));
        Assert.False(_space.TryGetSpan(0xFFFF, 1, out _));
        Assert.False(_space.TryGetSpan(0x12000, 1, out _));
        Assert.False(_space.TryGetSpan(0x10000, uint.MaxValue, out _));
        Assert.False(_space.TryGetSpan(ulong.MaxValue, 2, out _));
    }

    [Fact]
    public void TryGetSpan_AcrossTwoRanges_IsRefused()
    {
        _space.MapRam(0, _memory, 0, Page);
        _space.MapRam(Page, _memory, 8 * Page, Page);

        Assert.False(_space.TryGetSpan(Page - 1, 2, out _));
    }

    [Fact]
    public void TryBeginWrite_AtItsEnd_NotesTheWrite()
    {
        _space.MapRam(0, _memory, 0, 4 * Page);
        _memory.MarkCode(1);

        bool begun = _space.TryBeginWrite(Page - 1, 2, out DmaWrite write);
        bool early = _memory.IsDirty(0) || _memory.IsDirty(1) || !_memory.HoldsCode(1);
        write.Dispose();

        Assert.True(begun);
        Assert.False(early);
        Assert.True(_memory.IsDirty(0));
        Assert.True(_memory.IsDirty(1));
        Assert.False(_memory.IsDirty(2));
        Assert.False(_memory.HoldsCode(1));
    }

    [Fact]
    public void TryGetRamPage_Address_FindsMemoryPageAndProtection()
    {
        _space.MapRam(0x10_0000, _memory, 3 * Page, 2 * Page);
        _space.MapRam(0xF_0000, _memory, 0, Page, readOnly: true);

        Assert.True(_space.TryGetRamPage(0x10_1FFF, out RamPage page));
        Assert.Equal(new RamPage(_memory, 4, false), page);
        Assert.True(_space.TryGetRamPage(0xF_0ABC, out RamPage rom));
        Assert.Equal(new RamPage(_memory, 0, true), rom);
        Assert.False(_space.TryGetRamPage(0x10_2000, out _));
        Assert.False(_space.TryGetRamPage(0xF_1000, out _));
    }

    [Fact]
    public void TryDiscard_Ram_ReadsZerosAndKeepsItsNeighbours()
    {
        _space.MapRam(0x10000, _memory, Page, 4 * Page);
        _memory.Slice(0, 16 * (int)Page).Fill(0x5A);
        _memory.MarkCode(2);
        List<ulong> forgotten = [];
        _memory.CodeWritten += (_, page) => forgotten.Add(page);

        bool done = _space.TryDiscard(0x10000 + Page, 2 * Page);

        Assert.True(done);
        Assert.Equal(-1, _memory.Slice(2 * Page, 2 * (int)Page).IndexOfAnyExcept((byte)0));
        Assert.Equal((0x5A, 0x5A), (_memory.Slice((2 * Page) - 1, 1)[0], _memory.Slice(4 * Page, 1)[0]));
        Assert.Equal([2UL], forgotten);
        Assert.True(_memory.IsDirty(3));
    }

    [Theory]
    [InlineData(0x10001UL, 0x1000UL)]
    [InlineData(0x10000UL, 0x1001UL)]
    [InlineData(0x10000UL, 0x5000UL)]
    [InlineData(0xF000UL, 0x2000UL)]
    [InlineData(0x20000UL, 0x1000UL)]
    [InlineData(0xFFFF_FFFF_FFFF_F000UL, 0x2000UL)]
    public void TryDiscard_NotWholePagesOfRam_ChangesNothing(ulong gpa, ulong length)
    {
        _space.MapRam(0x10000, _memory, 0, 4 * Page);
        _space.MapRam(0x20000, _memory, 8 * Page, Page, readOnly: true);
        _memory.Slice(0, 16 * (int)Page).Fill(0x5A);

        Assert.False(_space.TryDiscard(gpa, length));

        Assert.Equal(-1, _memory.Slice(0, 16 * (int)Page).IndexOfAnyExcept((byte)0x5A));
    }

    [Theory]
    [InlineData(0xFFFF_FFFF_FFFF_F000, 0x1000)]
    [InlineData(0xFFFF_FFFF_FFFF_F000, 0x2000)]
    [InlineData(0x1000, ulong.MaxValue)]
    public void MapDevice_ThatDoesNotEndWithin64Bits_IsRefused(ulong gpa, ulong length)
    {
        AddressSpace space = new();
        RecordingDevice device = new();

        Assert.False(space.TryMapDevice(gpa, length, device));
        Assert.False(space.IsFree(gpa, length));
        Assert.Throws<InvalidOperationException>(() => space.MapDevice(gpa, length, device));

        Assert.True(space.IsFree(gpa, 0x800));
        Assert.Equal(0xFFUL, space.Read(gpa, AccessWidth.Byte));
        Assert.Empty(device.Reads);
    }
}
