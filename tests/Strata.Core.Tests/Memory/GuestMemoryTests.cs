using Strata.Core.Memory;

namespace Strata.Core.Tests.Memory;

public sealed class GuestMemoryTests : IDisposable
{
    private readonly GuestMemory _memory = new(8 * GuestMemory.PageSize);

    public void Dispose() => _memory.Dispose();

    [Theory]
    [InlineData(0UL)]
    [InlineData(1UL)]
    [InlineData(4097UL)]
    public void Constructor_NoWholePages_Throws(ulong size)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new GuestMemory(size).Dispose());
    }

    [Fact]
    public void Slice_NewMemory_IsZero()
    {
        Assert.False(_memory.Slice(0, (int)_memory.Size).ContainsAnyExcept((byte)0));
    }

    [Theory]
    [InlineData(0UL, 8 * 4096)]
    [InlineData(8UL * 4096, 0)]
    [InlineData((8UL * 4096) - 1, 1)]
    public void Slice_Inside_IsGiven(ulong offset, int length)
    {
        Assert.Equal(length, _memory.Slice(offset, length).Length);
    }

    [Theory]
    [InlineData(0UL, (8 * 4096) + 1)]
    [InlineData(8UL * 4096, 1)]
    [InlineData((8UL * 4096) + 1, 0)]
    [InlineData(ulong.MaxValue, 2)]
    [InlineData(0UL, -1)]
    public void Slice_Outside_Throws(ulong offset, int length)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _memory.Slice(offset, length).Length);
    }

    [Theory]
    [InlineData(0UL, 1UL, new ulong[] { 0 })]
    [InlineData(4095UL, 1UL, new ulong[] { 0 })]
    [InlineData(4095UL, 2UL, new ulong[] { 0, 1 })]
    [InlineData(4096UL, 4096UL, new ulong[] { 1 })]
    [InlineData(4096UL, 4097UL, new ulong[] { 1, 2 })]
    [InlineData(8191UL, 8194UL, new ulong[] { 1, 2, 3, 4 })]
    [InlineData(100UL, 0UL, new ulong[0])]
    public void NoteWrite_Range_DirtiesExactlyItsPages(ulong offset, ulong length, ulong[] expected)
    {
        _memory.NoteWrite(offset, length);

        Assert.Equal(expected, Enumerable.Range(0, 8).Select(page => (ulong)page).Where(_memory.IsDirty));
    }

    [Fact]
    public void MarkCode_FirstTime_RaisesCodeMarkedOnce()
    {
        List<ulong> marked = [];
        _memory.CodeMarked += (_, page) => marked.Add(page);

        _memory.MarkCode(3);
        _memory.MarkCode(3);

        Assert.Equal([3UL], marked);
        Assert.True(_memory.HoldsCode(3));
    }

    [Fact]
    public void NoteWrite_CodePage_RaisesCodeWrittenOnceAndUnmarks()
    {
        List<(ulong Page, bool Marked)> written = [];
        _memory.CodeWritten += (memory, page) => written.Add((page, memory.HoldsCode(page)));
        _memory.MarkCode(2);

        _memory.NoteWrite(2 * GuestMemory.PageSize, 1);
        _memory.NoteWrite(2 * GuestMemory.PageSize, 1);
        _memory.NoteWrite(0, GuestMemory.PageSize);

        Assert.Equal((2UL, false), Assert.Single(written));
    }

    [Fact]
    public void MarkCode_AfterInvalidation_IsRaisedAgain()
    {
        int marks = 0;
        _memory.CodeMarked += (_, _) => marks++;
        _memory.MarkCode(0);
        _memory.InvalidateCode(0);

        _memory.MarkCode(0);

        Assert.Equal(2, marks);
    }

    [Fact]
    public void Dispose_Twice_IsHarmless()
    {
        GuestMemory memory = new(GuestMemory.PageSize);

        memory.Dispose();
        memory.Dispose();

        Assert.Equal(GuestMemory.PageSize, memory.Size);
    }
}
