using Strata.Core.Bus;
using Strata.Core.Execution;
using Strata.Core.Memory;

namespace Strata.Core.Tests.Memory;

/// <summary>Notes about writes: when they are taken, and what harvests and rounds make of them.</summary>
public sealed class GuestMemoryNotesTests : IDisposable
{
    private const ulong Page = GuestMemory.PageSize;
    private const ulong Pages = 20; // not a multiple of eight

    private readonly GuestMemory _memory = new(Pages * Page);
    private readonly AddressSpace _space = new();

    public GuestMemoryNotesTests() => _space.MapRam(0, _memory, 0, Pages * Page);

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void DmaWrite_CodeDecodedInBetween_IsDroppedAtItsEnd()
    {
        List<ulong> dropped = [];
        _memory.CodeWritten += (_, page) => dropped.Add(page);
        bool begun = _space.TryBeginWrite(3 * Page, 8, out DmaWrite write);

        _memory.MarkCode(3); // some vCPU decodes the old bytes
        write.Span.Fill(0x90);
        int early = dropped.Count;
        write.Dispose();

        Assert.True(begun);
        Assert.Equal(0, early);
        Assert.Equal([3UL], dropped);
        Assert.False(_memory.HoldsCode(3));
    }

    [Fact]
    public void DmaWrite_HarvestInBetween_IsFoundByTheNextHarvest()
    {
        PageBitmap first = new(Pages);
        PageBitmap second = new(Pages);
        bool begun = _space.TryBeginWrite((5 * Page) - 1, 2, out DmaWrite write);

        _memory.HarvestDirty(first);
        write.Span.Fill(1);
        write.Dispose();
        _memory.HarvestDirty(second);

        Assert.True(begun);
        Assert.Equal([], PagesOf(first));
        Assert.Equal([4UL, 5UL], PagesOf(second));
    }

    [Fact]
    public void HarvestDirty_PagesAnywhere_AreFoundOnceAndCounted()
    {
        ulong[] dirty = [0, 7, 8, 15, 19];
        Array.ForEach(dirty, _memory.MarkDirty);
        PageBitmap first = new(Pages);
        PageBitmap second = new(Pages);

        long found = _memory.HarvestDirty(first);
        long foundAgain = _memory.HarvestDirty(second);

        Assert.Equal((5, 0), (found, foundAgain));
        Assert.Equal(dirty, PagesOf(first));
        Assert.Equal([], PagesOf(second));
        Assert.DoesNotContain(dirty, _memory.IsDirty);
    }

    [Fact]
    public void HarvestDirty_WritesKnownToAnotherOnly_AreCollectedFirst()
    {
        _memory.CollectingDirty += memory => memory.MarkDirty(9);
        PageBitmap found = new(Pages);

        _memory.HarvestDirty(found);

        Assert.Equal([9UL], PagesOf(found));
    }

    [Fact]
    public void HarvestDirty_SetOfAnotherMemory_Throws()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _memory.HarvestDirty(new PageBitmap(Pages + 1)));
    }

    [Fact]
    public async Task HarvestDirty_VcpuThatHasNotGivenUpItsRights_IsWaitedFor()
    {
        AttentionTicket? ticket = null;
        using ManualResetEventSlim asked = new();
        _memory.WritesRevoked += (_, round) =>
        {
            ticket = round.Join();
            asked.Set();
        };
        Task harvest = Task.Factory.StartNew(
            () => _memory.HarvestDirty(new PageBitmap(Pages)), CancellationToken.None, TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        asked.Wait(TimeSpan.FromSeconds(30));

        Task first = await Task.WhenAny(harvest, Task.Delay(50));
        ticket!.Settle();
        ticket.Settle(); // counts once

        Assert.NotSame(harvest, first);
        await harvest.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public void TryDiscard_CodeDecodedInBetween_IsDropped()
    {
        _memory.MarkCode(2);

        _memory.TryDiscard(2 * Page, Page);

        Assert.False(_memory.HoldsCode(2));
        Assert.True(_memory.IsDirty(2));
    }

    private static ulong[] PagesOf(PageBitmap set)
    {
        List<ulong> pages = [];
        foreach (ulong page in set)
        {
            pages.Add(page);
        }

        return [.. pages];
    }
}
