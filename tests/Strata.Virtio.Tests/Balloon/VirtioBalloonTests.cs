using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Virtio.Balloon;
using Strata.Virtio.Tests.Harness;

namespace Strata.Virtio.Tests.Balloon;

/// <summary>VIRTIO 1.2, "Traditional Memory Balloon Device".</summary>
public sealed class VirtioBalloonTests : IDisposable
{
    private const ulong Statistics = 1 << 1;
    private const ulong Reporting = 1 << 5;
    private const ulong Buffer = 0x2_0000;
    private const ulong Page = 0x4_0000;
    private const ulong RingPlace = 0x8000;

    private readonly VirtioDriver _driver;
    private VirtioBalloon? _balloon;

    public VirtioBalloonTests() => _driver = new VirtioDriver(memory => _balloon = new VirtioBalloon(memory));

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void Wanted_Host_IsReadByTheDriverWhoIsTold()
    {
        _driver.Start();
        _driver.EnableMsix();

        _balloon!.WantedBytes = 10 * 4096;

        Assert.Equal(10UL, _driver.ReadDevice(0, AccessWidth.Dword));
        Assert.Equal([0x41U], _driver.Messages());
    }

    [Fact]
    public void Held_Driver_IsSeenByTheHostUntilAReset()
    {
        _driver.Start();
        _driver.WriteDevice(4, AccessWidth.Dword, 7);
        _driver.WriteDevice(0, AccessWidth.Dword, 99); // read-only for the driver, as all but the one word
        _driver.WriteDevice(6, AccessWidth.Word, 99);

        Assert.Equal((7UL * 4096, 0UL), (_balloon!.HeldBytes, _balloon.WantedBytes));
        _driver.Status = 0;
        Assert.Equal(0UL, _balloon.HeldBytes);
    }

    [Fact]
    public void Inflate_Pages_AreGivenBackAndNothingBesideThem()
    {
        Fill();
        DriverRing ring = _driver.Start();

        Send(ring, 0, Numbers((uint)(Page >> 12), (uint)(Page >> 12) + 2, (uint)(Page >> 12) + 1, (uint)(Page >> 12) + 9));

        Assert.Equal(4 * 4096, _balloon!.ReturnedBytes);
        Assert.Equal(-1, _driver.Memory.Slice(Page, 3 * 4096).IndexOfAnyExcept((byte)0));
        Assert.Equal(-1, _driver.Memory.Slice(Page + (3 * 4096), 6 * 4096).IndexOfAnyExcept((byte)0xA5));
        Assert.Equal(-1, _driver.Memory.Slice(Page + (9 * 4096), 4096).IndexOfAnyExcept((byte)0));
        Assert.Equal(0xA5, _driver.Memory.Slice(Page - 1, 1)[0]);
    }

    [Fact]
    public void Inflate_PageWithDecodedCode_MakesEnginesForgetIt()
    {
        List<ulong> forgotten = [];
        _driver.Memory.CodeWritten += (_, page) => forgotten.Add(page);
        _driver.Memory.MarkCode(Page >> 12);
        DriverRing ring = _driver.Start();

        Send(ring, 0, Numbers((uint)(Page >> 12)));

        Assert.Equal([Page >> 12], forgotten);
        Assert.True(_driver.Memory.IsDirty(Page >> 12)); // snapshots must not keep the old content
    }

    [Theory]
    [InlineData(0x100U)] // right behind the memory
    [InlineData(0xFFFF_FFFFU)]
    public void Inflate_NoRam_ChangesNothing(uint page)
    {
        Fill();
        DriverRing ring = _driver.Start();

        Send(ring, 0, Numbers(page));
        Send(ring, 0, [1, 2, 3]);

        Assert.Equal(0, _balloon!.ReturnedBytes);
        Assert.Equal(-1, _driver.Memory.Slice(Page, 4096).IndexOfAnyExcept((byte)0xA5));
    }

    [Fact]
    public void Report_FreeRange_IsGivenBack()
    {
        Fill();
        DriverRing ring = StartOther(queue: 3, Statistics | Reporting);

        ring.Describe(0, Page, 8 * 4096, DriverRing.Write | DriverRing.Next, 1);
        ring.Describe(1, Page + 1, 4096, DriverRing.Write | DriverRing.Next, 2); // not a page
        ring.Describe(2, 0xF_F000, 2 * 4096, DriverRing.Write); // partly no RAM
        Offer(ring, 3);

        Assert.Equal(8 * 4096, _balloon!.ReturnedBytes);
        Assert.Equal(-1, _driver.Memory.Slice(Page, 8 * 4096).IndexOfAnyExcept((byte)0));
        Assert.Equal(0xA5, _driver.Memory.Slice(0xF_F000, 1)[0]);
    }

    [Fact]
    public void Report_DriverWithoutStatistics_NumbersItsQueueLower()
    {
        Fill();
        DriverRing ring = StartOther(queue: 2, Reporting);

        ring.Describe(0, Page, 4096, DriverRing.Write);
        Offer(ring, 2);

        Assert.Equal(4096, _balloon!.ReturnedBytes);
    }

    [Fact]
    public async Task GetStatistics_Driver_AnswersWithItsNextBuffer()
    {
        DriverRing ring = StartOther(queue: 2, Statistics);
        ring.Describe(0, Buffer, 10);
        ring.Offer(0);
        _driver.Notify(2);

        Task<GuestMemoryStatistics> asking = _balloon!.GetStatisticsAsync();
        VirtioDriver.WaitUntil(() => ring.UsedIndex == 1, "the question");
        Assert.False(asking.IsCompleted);
        Statistic(0, tag: 4, value: 1234);
        Statistic(1, tag: 5, value: 5678);
        Statistic(2, tag: 0x7777, value: 1);
        ring.Describe(0, Buffer, 30);
        ring.Offer(0);
        _driver.Notify(2);

        GuestMemoryStatistics statistics = await asking.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal((1234UL, 5678UL), (statistics.Free, statistics.Total));
        Assert.Null(statistics.Available);
        Assert.Equal(1, ring.UsedIndex); // the answer's buffer waits for the next question
    }

    private static byte[] Numbers(params uint[] values)
    {
        byte[] bytes = new byte[values.Length * 4];
        for (int i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * 4), values[i]);
        }

        return bytes;
    }

    private void Fill() => _driver.Memory.Slice(Page - 1, (int)(VirtioDriver.RamSize - Page) + 1).Fill(0xA5);

    private void Statistic(int index, ushort tag, ulong value)
    {
        Span<byte> at = _driver.Memory.Slice(Buffer + (10 * (uint)index), 10);
        BinaryPrimitives.WriteUInt16LittleEndian(at, tag);
        BinaryPrimitives.WriteUInt64LittleEndian(at[2..], value);
    }

    private void Send(DriverRing ring, int queue, byte[] content)
    {
        content.CopyTo(_driver.Memory.Slice(Buffer, content.Length));
        ring.Describe(0, Buffer, (uint)content.Length);
        Offer(ring, queue);
    }

    private void Offer(DriverRing ring, int queue)
    {
        int before = ring.UsedIndex;
        ring.Offer(0);
        _driver.Notify(queue);
        VirtioDriver.WaitUntil(() => ring.UsedIndex == before + 1, "the balloon");
    }

    private DriverRing StartOther(ushort queue, ulong features)
    {
        DriverRing ring = new(_driver.Memory, RingPlace, 16);
        _driver.Start(VirtioDriver.Version1 | features);
        _driver.Memory.Slice(RingPlace, 0x1000).Clear();
        _driver.EnableQueue(16, ring.Descriptors, ring.Available, ring.Used, queue);
        return ring;
    }
}
