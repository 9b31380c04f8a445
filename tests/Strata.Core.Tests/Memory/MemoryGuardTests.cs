using System.Collections.Concurrent;
using Strata.Core.Bus;
using Strata.Core.Execution;
using Strata.Core.Memory;

namespace Strata.Core.Tests.Memory;

public sealed class MemoryGuardTests : IDisposable
{
    private const ulong Page = GuestMemory.PageSize;
    private const ulong Pages = 37;

    private readonly GuestMemory _memory = new(Pages * Page);
    private readonly AddressSpace _space = new();
    private readonly ConcurrentQueue<(ulong Page, byte First)> _saved = new();

    public MemoryGuardTests()
    {
        _space.MapRam(0, _memory, 0, Pages * Page);
        for (ulong page = 0; page < Pages; page++)
        {
            _memory.Slice(page * Page, (int)Page).Fill((byte)page);
        }
    }

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void Guard_WriteOfTheBus_SavesTheOldBytesOnce()
    {
        using MemoryGuard guard = _memory.Guard(Save);

        _space.Write(5 * Page, AccessWidth.Byte, 0xFF);
        _space.Write(5 * Page, AccessWidth.Byte, 0xFE);

        Assert.Equal([(5UL, (byte)5)], _saved);
        Assert.Equal(0xFEUL, _space.Read(5 * Page, AccessWidth.Byte));
    }

    [Fact]
    public void Guard_Dma_SavesEveryPageBeforeItBegins()
    {
        using MemoryGuard guard = _memory.Guard(Save);

        bool begun = _space.TryBeginWrite((2 * Page) + 1, (uint)(2 * Page), out DmaWrite write);
        write.Span.Fill(0xFF);
        write.Dispose();

        Assert.True(begun);
        Assert.Equal([(2UL, (byte)2), (3UL, (byte)3), (4UL, (byte)4)], _saved);
    }

    [Fact]
    public void Guard_Discard_SavesWhatIsLost()
    {
        using MemoryGuard guard = _memory.Guard(Save);

        bool done = _space.TryDiscard(8 * Page, 2 * Page);

        Assert.True(done);
        Assert.Equal([(8UL, (byte)8), (9UL, (byte)9)], _saved);
    }

    [Fact]
    public void TakeAll_AfterSomeWrites_SavesTheRest()
    {
        using MemoryGuard guard = _memory.Guard(Save);
        _space.Write(0, AccessWidth.Byte, 0xFF);

        long taken = guard.TakeAll(CancellationToken.None);

        Assert.Equal((long)Pages - 1, taken);
        Assert.Equal((long)Pages, guard.Saved);
        Assert.Equal(Enumerable.Range(0, (int)Pages).Select(page => ((ulong)page, (byte)page)), _saved.Order());
    }

    [Fact]
    public void Guard_SomePages_LeavesTheOthers()
    {
        PageBitmap pages = new(Pages);
        pages.Add(0);
        pages.Add(Pages - 1);
        using MemoryGuard guard = _memory.Guard(Save, pages);

        _space.Write(Page, AccessWidth.Byte, 0xFF);
        guard.TakeAll(CancellationToken.None);

        Assert.Equal([(0UL, (byte)0), (Pages - 1, (byte)(Pages - 1))], _saved);
        Assert.False(guard.TryTake(0));
    }

    [Fact]
    public void Dispose_PagesLeft_AreNotSaved()
    {
        _memory.Guard(Save).Dispose();

        _space.Write(0, AccessWidth.Byte, 0xFF);

        Assert.Empty(_saved);
        _memory.Guard(Save).Dispose(); // and the memory can be guarded again
    }

    [Fact]
    public void Guard_CodePage_KeepsItsMark()
    {
        _memory.MarkCode(1);
        using MemoryGuard guard = _memory.Guard(Save);

        guard.TakeAll(CancellationToken.None);

        Assert.True(_memory.HoldsCode(1));
    }

    [Fact]
    public void Guard_Twice_Throws()
    {
        using MemoryGuard guard = _memory.Guard(Save);

        Assert.Throws<InvalidOperationException>(() => _memory.Guard(Save));
        _space.Write(0, AccessWidth.Byte, 0xFF);
        Assert.Single(_saved);
    }

    [Fact]
    public void Guard_WriteInFlight_Throws()
    {
        Assert.True(_space.TryBeginWrite(0, 1, out DmaWrite write));

        Assert.Throws<InvalidOperationException>(() => _memory.Guard(Save));
        write.Dispose();
        _memory.Guard(Save).Dispose();
    }

    [Fact]
    public void Guard_VcpuThatRuns_Throws()
    {
        _memory.WritesRevoked += (_, round) => round.Join();

        Assert.Throws<InvalidOperationException>(() => _memory.Guard(Save));
        _space.Write(0, AccessWidth.Byte, 0xFF);
        Assert.Empty(_saved);
    }

    [Fact]
    public void Guard_BlindWriter_SavesEverythingAtOnce()
    {
        _memory.AddBlindWriters(1);

        using MemoryGuard guard = _memory.Guard(Save);

        Assert.Equal((long)Pages, guard.Saved);
    }

    [Fact]
    public void TakeAll_SaverThatFails_ThrowsWhileWritersGoOn()
    {
        using MemoryGuard guard = _memory.Guard((_, _) => throw new IOException("disk full"));

        _space.Write(0, AccessWidth.Byte, 0xFF);

        Assert.Equal(0xFFUL, _space.Read(0, AccessWidth.Byte));
        Assert.Contains(
            "disk full", Assert.Throws<IOException>(() => guard.TakeAll(CancellationToken.None)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Guard_WritersAndTakersAtOnce_SavesEachPageOnceAsItWas()
    {
        CancellationToken cancellation = CancellationToken.None;
        for (int round = 0; round < 50; round++)
        {
            _saved.Clear();
            for (ulong page = 0; page < Pages; page++)
            {
                _memory.Slice(page * Page, (int)Page).Fill((byte)page);
            }

            using MemoryGuard guard = _memory.Guard(Save);
            Task[] tasks =
            [
                .. Enumerable.Range(0, 2).Select(_ => Task.Run(() => guard.TakeAll(cancellation), cancellation)),
                .. Enumerable.Range(0, 2).Select(writer => Task.Run(() => WriteAll(descending: writer == 1), cancellation)),
            ];
            await Task.WhenAll(tasks);

            Assert.Equal(Enumerable.Range(0, (int)Pages).Select(page => ((ulong)page, (byte)page)), _saved.Order());
        }
    }

    private void WriteAll(bool descending)
    {
        for (ulong i = 0; i < Pages; i++)
        {
            ulong page = descending ? Pages - 1 - i : i;
            _space.Write((page * Page) + 8, AccessWidth.Qword, ulong.MaxValue);
        }
    }

    private void Save(ulong page, ReadOnlySpan<byte> bytes)
    {
        if (bytes.ContainsAnyExcept(bytes[0]))
        {
            throw new InvalidDataException($"Page {page} has changed before it was saved.");
        }

        _saved.Enqueue((page, bytes[0]));
    }
}
