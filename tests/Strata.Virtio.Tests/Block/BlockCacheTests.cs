using Strata.Core.Bus;
using Strata.Virtio.Block;
using Strata.Virtio.Tests.Harness;
using static Strata.Virtio.Tests.Harness.BlockDriver;

namespace Strata.Virtio.Tests.Block;

/// <summary>When a write is on stable storage, and what discards and zeros do. VIRTIO 1.2, "Block Device", "Device Operation".</summary>
public sealed class BlockCacheTests : IDisposable
{
    private const int Sectors = 64;
    private const ulong WritebackField = 32;

    private readonly MemoryDisk _disk = new(Sectors);
    private readonly VirtioDriver _driver;

    public BlockCacheTests()
    {
        _disk.Bytes.AsSpan().Fill(0xAA);
        _driver = new VirtioDriver(space => new VirtioBlock(space, _disk, "x"));
    }

    public void Dispose() => _driver.Dispose();

    [Theory]
    [InlineData(0UL, 1)]                               // the driver cannot flush: every write is stable when it completes
    [InlineData(FeatureFlush, 0)]
    [InlineData(FeatureFlush | FeatureConfigWce, 0)]
    [InlineData(FeatureConfigWce, 1)]
    public void Write_AfterNegotiation_IsFlushedWhereTheDriverCannot(ulong features, int flushes)
    {
        BlockDriver block = Start(features);

        Assert.Equal(Ok, block.Request(Out, 3, 512, toGuest: false));

        Assert.Equal(flushes, _disk.Flushes);
        Assert.Equal(flushes == 0 ? 1UL : 0UL, _driver.ReadDevice(WritebackField, AccessWidth.Byte));
    }

    [Fact]
    public void Writeback_AtFeaturesOk_IsReadable()
    {
        Assert.True(_driver.Negotiate(VirtioDriver.Version1 | FeatureConfigWce));

        Assert.Equal(0UL, _driver.ReadDevice(WritebackField, AccessWidth.Byte));
        _driver.Status = 0;
        Assert.Equal(1UL, _driver.ReadDevice(WritebackField, AccessWidth.Byte));
    }

    [Fact]
    public void Writeback_SetByTheDriver_DecidesAboutTheNextWrite()
    {
        BlockDriver block = Start(FeatureFlush | FeatureConfigWce);

        _driver.WriteDevice(WritebackField, AccessWidth.Byte, 0);
        Assert.Equal(0UL, _driver.ReadDevice(WritebackField, AccessWidth.Byte));
        block.Request(Out, 3, 512, toGuest: false);
        Assert.Equal(1, _disk.Flushes);

        _driver.WriteDevice(WritebackField, AccessWidth.Byte, 2); // neither mode
        _driver.WriteDevice(WritebackField, AccessWidth.Dword, 1);
        block.Request(Out, 3, 512, toGuest: false);
        Assert.Equal(2, _disk.Flushes);

        _driver.WriteDevice(WritebackField, AccessWidth.Byte, 1);
        block.Request(Out, 3, 512, toGuest: false);
        Assert.Equal(2, _disk.Flushes);
    }

    [Fact]
    public void Writeback_SetWithoutTheFeature_StaysAsItIs()
    {
        BlockDriver block = Start(FeatureFlush);

        _driver.WriteDevice(WritebackField, AccessWidth.Byte, 0);

        Assert.Equal(1UL, _driver.ReadDevice(WritebackField, AccessWidth.Byte));
        block.Request(Out, 3, 512, toGuest: false);
        Assert.Equal(0, _disk.Flushes);
    }

    [Fact]
    public void Write_ThroughWhoseFlushFails_IsAnError()
    {
        BlockDriver block = Start(0);
        _disk.FlushFails = true;

        Assert.Equal(IoError, block.Request(Out, 3, 512, toGuest: false));
    }

    [Fact]
    public void Configuration_Space_HasTheLimitsOfDiscardsAndZeros()
    {
        Assert.Equal(FeatureDiscard | FeatureWriteZeroes, _driver.OfferedFeatures() & (FeatureDiscard | FeatureWriteZeroes));
        Assert.Equal(1UL << 21, _driver.ReadDevice(36, AccessWidth.Dword));
        Assert.Equal(16UL, _driver.ReadDevice(40, AccessWidth.Dword));
        Assert.Equal(8UL, _driver.ReadDevice(44, AccessWidth.Dword));
        Assert.Equal(1UL << 17, _driver.ReadDevice(48, AccessWidth.Dword));
        Assert.Equal(1UL, _driver.ReadDevice(52, AccessWidth.Dword));
        Assert.Equal(1UL, _driver.ReadDevice(56, AccessWidth.Dword));
    }

    [Fact]
    public void Discard_Segments_ReachTheDisk()
    {
        BlockDriver block = Start(FeatureFlush | FeatureDiscard);

        Assert.Equal(Ok, block.Clear(Discard, (8, 16, 0), (0, 0, 0), (63, 1, 0)));

        Assert.Equal([(8 * 512, 16 * 512), (0, 0), (63 * 512, 512)], _disk.Discards);
    }

    [Theory]
    [InlineData(1U, 1)]   // may be a hole
    [InlineData(0U, 0)]   // must keep its place
    public void Zeros_WithAndWithoutUnmap_ReadAsZeros(uint flags, int holes)
    {
        BlockDriver block = Start(FeatureFlush | FeatureWriteZeroes);

        Assert.Equal(Ok, block.Clear(WriteZeroes, (8, 16, flags)));

        Assert.False(_disk.Bytes.AsSpan(8 * 512, 16 * 512).ContainsAnyExcept((byte)0));
        Assert.Equal(48 * 512, _disk.Bytes.Count(value => value == 0xAA));
        Assert.Equal(holes, _disk.Zeros.Count);
        Assert.Equal(0, _disk.Flushes);
    }

    [Fact]
    public void Zeros_WithoutWriteCache_AreFlushed()
    {
        BlockDriver block = Start(FeatureWriteZeroes);

        Assert.Equal(Ok, block.Clear(WriteZeroes, (8, 16, 1)));

        Assert.Equal(1, _disk.Flushes);
    }

    [Theory]
    [InlineData(Discard, 0UL, 8U, 1U, Unsupported)]              // unmap is for zeros
    [InlineData(Discard, 0UL, 8U, 2U, Unsupported)]
    [InlineData(WriteZeroes, 0UL, 8U, 2U, Unsupported)]
    [InlineData(WriteZeroes, 0UL, 8U, 0x8000_0001U, Unsupported)]
    [InlineData(Discard, 60UL, 5U, 0U, IoError)]                 // past the end
    [InlineData(Discard, 65UL, 0U, 0U, IoError)]
    [InlineData(WriteZeroes, ulong.MaxValue, 1U, 1U, IoError)]
    [InlineData(WriteZeroes, 1UL << 55, 1U, 1U, IoError)]
    [InlineData(WriteZeroes, 0UL, uint.MaxValue, 1U, IoError)]
    public void Segment_ThatIsWrong_IsRefusedWithAllOthers(uint type, ulong sector, uint count, uint flags, byte status)
    {
        BlockDriver block = Start(FeatureDiscard | FeatureWriteZeroes);

        Assert.Equal(
            status, type == Discard ? block.Clear(type, (0, 8, 0), (sector, count, flags)) : block.Clear(type, (sector, count, flags)));

        Assert.Empty(_disk.Discards);
        Assert.DoesNotContain((byte)0, _disk.Bytes);
    }

    [Theory]
    [InlineData(Discard, 0)]
    [InlineData(Discard, 15)]
    [InlineData(Discard, 17)]
    [InlineData(Discard, 17 * 16)]
    [InlineData(WriteZeroes, 2 * 16)]
    public void Segments_OfAWrongLength_AreAnError(uint type, int length)
    {
        BlockDriver block = Start(FeatureDiscard | FeatureWriteZeroes);
        block.Data().Clear();

        Assert.Equal(IoError, block.Request(type, 0, length, toGuest: false));

        Assert.Empty(_disk.Discards);
    }

    [Fact]
    public void DiscardAndZeros_NotNegotiated_AreUnsupported()
    {
        BlockDriver block = Start(FeatureFlush);

        Assert.Equal(Unsupported, block.Clear(Discard, (0, 8, 0)));
        Assert.Equal(Unsupported, block.Clear(WriteZeroes, (0, 8, 0)));
    }

    [Fact]
    public void DiscardAndZeros_ReadOnlyDisk_AreNotOffered()
    {
        using MemoryDisk disk = new(8, readOnly: true);
        using VirtioDriver driver = new(space => new VirtioBlock(space, disk, "x"));

        Assert.Equal(0UL, driver.OfferedFeatures() & (FeatureDiscard | FeatureWriteZeroes));
    }

    private BlockDriver Start(ulong features) => new(_driver, _driver.StartQueues(VirtioDriver.Version1 | features, 1));
}
