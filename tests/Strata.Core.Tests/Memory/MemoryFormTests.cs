using Microsoft.Win32.SafeHandles;
using Strata.Core.Memory;

namespace Strata.Core.Tests.Memory;

public sealed class MemoryFormTests : IDisposable
{
    private const ulong Page = GuestMemory.PageSize;
    private const ulong Pages = 512;
    private const ulong Size = Pages * Page;

    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
    private readonly List<GuestMemory> _memories = [];

    public void Dispose()
    {
        _memories.ForEach(memory => memory.Dispose());
        File.Delete(_path);
    }

    [Fact]
    public void Constructor_MoreThanTheLargestSize_Throws()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new GuestMemory(GuestMemory.LargestSize + Page).Dispose());
    }

    [Fact]
    public void MapPrivately_File_ReadsItsBytesAndKeepsWrites()
    {
        byte[] content = Write(Page + Size);

        GuestMemory memory = Map(Page, Size);
        memory.Slice(0, 1)[0] = 0xEE;

        Assert.True(memory.Slice(1, (int)Size - 1).SequenceEqual(content.AsSpan((int)Page + 1)));
        Assert.Equal(content, File.ReadAllBytes(_path));
        Assert.Equal(MemoryForm.Private, memory.Form);
    }

    [Theory]
    [InlineData(0UL, Size + Page)]
    [InlineData(Page, Size)]
    [InlineData(1UL, Page)]
    [InlineData(Size + Page, Page)]
    [InlineData(ulong.MaxValue - Page + 1, Page)]
    public void MapPrivately_BeyondTheFile_Throws(ulong offset, ulong size)
    {
        Write(Size);

        Assert.Throws<InvalidDataException>(() => Map(offset, size));
    }

    [Fact]
    public void CreateShared_MappedAgain_IsOneMemory()
    {
        GuestMemory memory = Keep(GuestMemory.CreateShared(Size));
        memory.Slice(Page, 1)[0] = 1;

        GuestMemory other = Keep(GuestMemory.MapPrivately(memory.File!, 0, Size));
        memory.Slice(2 * Page, 1)[0] = 2;

        Assert.Equal((1, 2), (other.Slice(Page, 1)[0], other.Slice(2 * Page, 1)[0]));
    }

    [Fact]
    public unsafe void KeepWrites_ThenWrites_StayOutOfTheFileAndOfClones()
    {
        GuestMemory memory = Keep(GuestMemory.CreateShared(Size));
        memory.Slice(0, 1)[0] = 1;
        byte* before = memory.Base;

        memory.KeepWrites();
        GuestMemory clone = Keep(GuestMemory.MapPrivately(memory.File!, 0, Size));
        memory.Slice(0, 1)[0] = 2;
        clone.Slice(Page, 1)[0] = 3;

        Assert.True(before == memory.Base);
        Assert.Equal((2, 0), (memory.Slice(0, 1)[0], memory.Slice(Page, 1)[0]));
        Assert.Equal((1, 3), (clone.Slice(0, 1)[0], clone.Slice(Page, 1)[0]));
        Assert.Throws<InvalidOperationException>(memory.KeepWrites);
    }

    [Theory]
    [InlineData(MemoryForm.Anonymous)]
    [InlineData(MemoryForm.Shared)]
    [InlineData(MemoryForm.Private)]
    public void TryDiscard_AnyForm_ReadsZeros(MemoryForm form)
    {
        GuestMemory memory = Create(form);
        memory.Slice(0, (int)Size).Fill(0xAA);

        bool done = memory.TryDiscard(2 * Page, 3 * Page);

        Assert.True(done);
        Assert.False(memory.Slice(2 * Page, 3 * (int)Page).ContainsAnyExcept((byte)0));
        Assert.Equal((0xAA, 0xAA), (memory.Slice((2 * Page) - 1, 1)[0], memory.Slice(5 * Page, 1)[0]));
    }

    [Theory]
    [InlineData(MemoryForm.Shared)]
    [InlineData(MemoryForm.Private)]
    public void FindTouched_AnyForm_HasWhatWasWritten(MemoryForm form)
    {
        GuestMemory memory = Create(form);
        memory.Slice(7 * Page, 1)[0] = 1;
        memory.Slice((Pages - 1) * Page, 1)[0] = 1;
        PageBitmap touched = new(Pages);

        memory.FindTouched(touched);

        Assert.Equal(2, touched.CountPages());
        Assert.True(touched.Contains(7) && touched.Contains(Pages - 1));
    }

    [Fact]
    public void FindTouched_Anonymous_LeavesOutWhatNobodyUsed()
    {
        GuestMemory memory = Keep(new GuestMemory(64 << 20)); // huge pages may bring neighbours
        memory.Slice(0, 1)[0] = 1;
        PageBitmap touched = new(memory.Pages);

        memory.FindTouched(touched);

        Assert.True(touched.Contains(0));
        Assert.False(touched.Contains(memory.Pages / 2));
    }

    [Fact]
    public void FindTouched_DiscardedPageOfAFile_CountsAsTouched()
    {
        GuestMemory memory = Create(MemoryForm.Private);
        memory.TryDiscard(9 * Page, Page);
        PageBitmap touched = new(Pages);

        memory.FindTouched(touched);

        Assert.Equal(1, touched.CountPages());
        Assert.True(touched.Contains(9));
    }

    private GuestMemory Create(MemoryForm form)
    {
        switch (form)
        {
            case MemoryForm.Anonymous:
                return Keep(new GuestMemory(Size));
            case MemoryForm.Shared:
                return Keep(GuestMemory.CreateShared(Size));
            default:
                Write(Size);
                return Map(0, Size);
        }
    }

    private byte[] Write(ulong size)
    {
        byte[] content = new byte[size];
        new Random(1).NextBytes(content);
        File.WriteAllBytes(_path, content);
        return content;
    }

    private GuestMemory Map(ulong offset, ulong size)
    {
        using SafeFileHandle file = File.OpenHandle(_path);
        return Keep(GuestMemory.MapPrivately(file, offset, size));
    }

    private GuestMemory Keep(GuestMemory memory)
    {
        _memories.Add(memory);
        return memory;
    }
}
