using Strata.Core.Memory;
using Strata.Snapshots.Memory;
using Strata.Snapshots.Sets;

namespace Strata.Snapshots.Tests;

public sealed class SnapshotSetTests : IDisposable
{
    private readonly TestSet _test = new();

    private SnapshotSet Set => _test.Set;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Open_WhatWasCreated_HasTheSameMemoryAndUnits()
    {
        byte[] memory = TestSet.SomeMemory(1);
        await _test.CreateAsync("one", memory);

        using Snapshot snapshot = Set.Open("one");

        Assert.Equal(memory, TestSet.ReadMemory(snapshot));
        Assert.Equal(["clock", "uart0"], snapshot.Units.Select(unit => unit.UnitName));
        Assert.Equal([1, 2, 3], snapshot.Units[0].Bytes.ToArray());
        Assert.Equal(5, snapshot.Manifest.GuestTime);
    }

    [Fact]
    public async Task Create_OfZeros_StoresNothing()
    {
        SnapshotManifest manifest = await _test.CreateAsync("empty", new byte[TestSet.Size]);

        Assert.Equal(0, manifest.Memory.Stored);
        Assert.Empty(manifest.Memory.Layers);
        using Snapshot snapshot = Set.Open("empty");
        Assert.Equal(new byte[TestSet.Size], TestSet.ReadMemory(snapshot));
    }

    [Fact]
    public async Task Create_OnAParent_StoresTheChunksThatChanged()
    {
        byte[] memory = TestSet.SomeMemory(1);
        await _test.CreateAsync("one", memory);
        byte[] old = [.. memory];
        PageBitmap changed = new(TestSet.Size / GuestMemory.PageSize);
        memory.AsSpan(33 * 4096, 4096).Fill(7);
        changed.Add(33);
        SnapshotManifest second;
        using (Snapshot parent = Set.Open("one"))
        {
            second = await _test.CreateAsync("two", memory, parent.Memory, changed);
        }

        using Snapshot one = Set.Open("one");
        using Snapshot two = Set.Open("two");
        Assert.Equal(memory, TestSet.ReadMemory(two));
        Assert.Equal(old, TestSet.ReadMemory(one));
        Assert.InRange(second.Memory.Stored, 4096, ChunkMap.ChunkSize);
        Assert.Equal(2, second.Memory.Layers.Count);
    }

    [Fact]
    public async Task Delete_OfAParent_LeavesTheChildWhole()
    {
        byte[] memory = TestSet.SomeMemory(1);
        await _test.CreateAsync("one", memory);
        using (Snapshot parent = Set.Open("one"))
        {
            await _test.CreateAsync("two", memory, parent.Memory, new PageBitmap(TestSet.Size / GuestMemory.PageSize));
        }

        await Set.DeleteAsync("one");

        using Snapshot two = Set.Open("two");
        Assert.Equal(memory, TestSet.ReadMemory(two));
        Assert.Equal(["two"], Set.List().Select(entry => entry.Name));
    }

    [Fact]
    public async Task Delete_OfTheLast_LeavesNoLayer()
    {
        await _test.CreateAsync("one", TestSet.SomeMemory(1));

        await Set.DeleteAsync("one");

        Assert.Empty(Directory.EnumerateFiles(Path.Combine(Set.Folder, "layers")));
        Assert.Empty(Set.List());
    }

    [Fact]
    public async Task Delete_WhileOpen_LeavesTheOpenOneUsable()
    {
        byte[] memory = TestSet.SomeMemory(1);
        await _test.CreateAsync("one", memory);
        using Snapshot snapshot = Set.Open("one");

        await Set.DeleteAsync("one");

        Assert.Equal(memory, TestSet.ReadMemory(snapshot));
    }

    [Fact]
    public async Task Create_OnAParentThatWasDeleted_StoresEverything()
    {
        byte[] memory = TestSet.SomeMemory(1);
        await _test.CreateAsync("one", memory);
        using Snapshot parent = Set.Open("one");
        await Set.DeleteAsync("one");

        SnapshotManifest second = await _test.CreateAsync(
            "two", memory, parent.Memory, new PageBitmap(TestSet.Size / GuestMemory.PageSize));

        using Snapshot two = Set.Open("two");
        Assert.Equal(memory, TestSet.ReadMemory(two));
        Assert.Single(second.Memory.Layers);
    }

    [Fact]
    public async Task Create_WithManyGenerations_StaysBelowTheBoundOfLayers()
    {
        byte[] memory = TestSet.SomeMemory(1);
        await _test.CreateAsync("s0", memory);
        for (int i = 1; i < 40; i++)
        {
            using Snapshot parent = Set.Open($"s{i - 1}");
            PageBitmap changed = new(TestSet.Size / GuestMemory.PageSize);
            memory.AsSpan(i * ChunkMap.ChunkSize, 1).Fill((byte)i);
            changed.Add((ulong)i * 16);
            await _test.CreateAsync($"s{i}", memory, parent.Memory, changed);
        }

        using Snapshot last = Set.Open("s39");
        Assert.Equal(memory, TestSet.ReadMemory(last));
        Assert.InRange(last.Memory.Layers.Count, 1, MemoryImage.MostLayers);
    }

    [Fact]
    public async Task Draft_Disposed_LeavesTheSetAsItWas()
    {
        using (SnapshotDraft draft = await Set.BeginAsync("lost"))
        {
            using MemoryImageBuilder builder = draft.BuildMemory(TestSet.Size, null, null);
            builder.Save(3, new byte[4096]);
        }

        Assert.Empty(Set.List());
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(Set.Folder, "layers")));
    }

    [Fact]
    public async Task Begin_BehindOneThatWasKilled_RemovesWhatItLeft()
    {
        await _test.CreateAsync("one", TestSet.SomeMemory(1));
        Directory.CreateDirectory(Path.Combine(Set.Folder, ".new-" + Guid.NewGuid().ToString("N")));
        Directory.CreateDirectory(Path.Combine(Set.Folder, ".old-" + Guid.NewGuid().ToString("N")));
        await File.WriteAllBytesAsync(Path.Combine(Set.Folder, "layers", "left.mem"), [1]);

        (await Set.BeginAsync("two")).Dispose();

        Assert.Equal(
            [".lock", "disks", "layers", "one"],
            Directory.EnumerateFileSystemEntries(Set.Folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Single(Directory.EnumerateFiles(Path.Combine(Set.Folder, "layers")));
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("../x")]
    [InlineData("a/b")]
    [InlineData("layers")]
    [InlineData("disks")]
    [InlineData("-x")]
    [InlineData("a\n")]
    public async Task Begin_ImpossibleName_IsRefused(string name) =>
        await Assert.ThrowsAsync<SnapshotException>(() => Set.BeginAsync(name));

    [Fact]
    public async Task Begin_NameThatIsTaken_IsRefused()
    {
        await _test.CreateAsync("one", TestSet.SomeMemory(1));

        SnapshotException error = await Assert.ThrowsAsync<SnapshotException>(() => Set.BeginAsync("one"));

        Assert.Contains("already", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Begin_WhileAnotherChangesTheSet_Waits()
    {
        SnapshotDraft draft = await Set.BeginAsync("one");

        Task<SnapshotDraft> second = new SnapshotSet(Set.Folder).BeginAsync("two");
        bool waited = !second.IsCompleted;
        draft.Dispose();

        (await second).Dispose();
        Assert.True(waited);
    }

    [Fact]
    public async Task Open_LayerThatWasCutOff_IsRefused()
    {
        SnapshotManifest manifest = await _test.CreateAsync("one", TestSet.SomeMemory(1));
        string layer = Path.Combine(Set.Folder, "layers", manifest.Memory.Layers[0]);
        using (FileStream file = new(layer, FileMode.Open))
        {
            file.SetLength(4096);
        }

        SnapshotException error = Assert.Throws<SnapshotException>(() => Set.Open("one"));

        Assert.Contains("has been changed", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Open_LayerThatIsALink_IsRefused()
    {
        SnapshotManifest manifest = await _test.CreateAsync("one", TestSet.SomeMemory(1));
        string layer = Path.Combine(Set.Folder, "layers", manifest.Memory.Layers[0]);
        File.Move(layer, _test.PathOf("elsewhere"));
        File.CreateSymbolicLink(layer, _test.PathOf("elsewhere"));

        Assert.Throws<SnapshotException>(() => Set.Open("one"));
    }

    [Theory]
    [InlineData("manifest.json")]
    [InlineData("units.bin")]
    [InlineData("pages.map")]
    [InlineData("SHA256SUMS")]
    public async Task Open_AnyByteChanged_IsRefused(string file)
    {
        await _test.CreateAsync("one", TestSet.SomeMemory(1));
        string path = Path.Combine(Set.Folder, "one", file);
        byte[] bytes = await File.ReadAllBytesAsync(path);
        Random random = new(1);
        for (int i = 0; i < 100; i++)
        {
            byte[] changed = [.. bytes];
            changed[random.Next(changed.Length)] ^= (byte)random.Next(1, 256);
            await File.WriteAllBytesAsync(path, changed);

            Assert.Throws<SnapshotException>(() => Set.Open("one"));
        }

        await File.WriteAllBytesAsync(path, bytes);
        Set.Open("one").Dispose();
    }

    [Fact]
    public async Task List_WithOneThatIsDamaged_NamesTheProblem()
    {
        await _test.CreateAsync("good", TestSet.SomeMemory(1));
        await _test.CreateAsync("bad", TestSet.SomeMemory(2));
        await File.WriteAllTextAsync(Path.Combine(Set.Folder, "bad", "manifest.json"), "{");

        IReadOnlyList<SnapshotEntry> entries = Set.List();

        Assert.Equal(["good", "bad"], entries.Select(entry => entry.Name));
        Assert.NotNull(entries[1].Problem);
    }
}
