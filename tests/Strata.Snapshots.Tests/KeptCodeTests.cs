using System.Security.Cryptography;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Snapshots.Code;
using Strata.Snapshots.Memory;
using Strata.Snapshots.Sets;

namespace Strata.Snapshots.Tests;

/// <summary>Code that is kept with a snapshot: used for the pages, engine and user that it is of, and never otherwise.</summary>
public sealed class KeptCodeTests : IDisposable
{
    private const int PageSize = (int)GuestMemory.PageSize;
    private static readonly byte[] Identity = SHA256.HashData("an engine"u8);
    private static readonly byte[] Key = SHA256.HashData("a user"u8);

    private readonly TestSet _set = new();
    private readonly byte[] _memory = TestSet.SomeMemory(1);

    public void Dispose() => _set.Dispose();

    [Fact]
    public async Task OpenCode_SamePageAndEngine_GivesTheRecord()
    {
        await CreateAsync(new Capture((3, [1, 2, 3]), (500, [4, 5])));

        using Snapshot snapshot = _set.Set.Open("one");
        using KeptCode? code = snapshot.OpenCode(Identity, Key, out string? problem);

        Assert.Null(problem);
        Assert.Equal([1, 2, 3], Read(code!, 3));
        Assert.Equal([4, 5], Read(code!, 500));
        Assert.Null(Read(code!, 4));
        Assert.Equal(2, code!.Pages);
    }

    [Fact]
    public async Task OpenCode_PageHasOtherBytes_GivesNothing()
    {
        await CreateAsync(new Capture((3, [1, 2, 3])));
        using Snapshot snapshot = _set.Set.Open("one");
        using KeptCode? code = snapshot.OpenCode(Identity, Key, out _);

        _memory[(3 * PageSize) + 4095] ^= 1;

        Assert.Null(Read(code!, 3));
    }

    [Theory]
    [InlineData(true, "another build of the engine")]
    [InlineData(false, "another user")]
    public async Task OpenCode_OtherEngineOrUser_SaysWhy(bool otherEngine, string why)
    {
        await CreateAsync(new Capture((3, [1, 2, 3])));
        using Snapshot snapshot = _set.Set.Open("one");

        using KeptCode? code = snapshot.OpenCode(
            otherEngine ? SHA256.HashData("another"u8) : Identity, otherEngine ? Key : SHA256.HashData("b"u8), out string? problem);

        Assert.Null(code);
        Assert.Contains(why, problem, StringComparison.Ordinal);
    }

    /// <summary>A record of one page in the place of another's, with all checksums of the file itself right but for the key.</summary>
    [Fact]
    public async Task OpenCode_AnyByteChanged_GivesNothingElse()
    {
        string path = await CreateAsync(new Capture((3, [1, 2, 3, 4, 5, 6, 7]), (500, [8, 9])));
        byte[] file = await File.ReadAllBytesAsync(path);
        for (int i = 0; i < file.Length; i++)
        {
            byte[] changed = [.. file];
            changed[i] ^= (byte)(1 << (i % 8));
            await File.WriteAllBytesAsync(path, changed);

            using Snapshot snapshot = _set.Set.Open("one");
            using KeptCode? code = snapshot.OpenCode(Identity, Key, out string? problem);

            Assert.Equal(code is null, problem is not null);
            Assert.True(code is null || Read(code, 3) is null or [1, 2, 3, 4, 5, 6, 7], $"byte {i}");
            Assert.True(code is null || Read(code, 500) is null or [8, 9], $"byte {i}");
            Assert.False(code is not null && Read(code, 3) is not null && Read(code, 500) is not null, $"byte {i} is of no meaning");
        }
    }

    [Fact]
    public async Task OpenCode_CutOffAnywhereOrLonger_SaysSo()
    {
        string path = await CreateAsync(new Capture((3, [1, 2, 3])));
        byte[] file = await File.ReadAllBytesAsync(path);
        for (int length = 0; length <= file.Length + 1; length++)
        {
            if (length == file.Length)
            {
                continue;
            }

            await File.WriteAllBytesAsync(path, [.. file[..Math.Min(length, file.Length)], .. new byte[Math.Max(0, length - file.Length)]]);
            using Snapshot snapshot = _set.Set.Open("one");

            using KeptCode? code = snapshot.OpenCode(Identity, Key, out string? problem);

            Assert.Null(code);
            Assert.NotNull(problem);
        }
    }

    /// <summary>Random damage of several bytes, with the file's size random as well.</summary>
    [Fact]
    public async Task OpenCode_Mutated_NeverThrows()
    {
        string path = await CreateAsync(new Capture((3, [1, 2, 3]), (500, [4, 5])));
        byte[] file = await File.ReadAllBytesAsync(path);
        Random random = new(11);
        for (int i = 0; i < 1000; i++)
        {
            byte[] changed = [.. file, .. new byte[random.Next(0, 40)]];
            for (int j = random.Next(1, 6); j > 0; j--)
            {
                changed[random.Next(changed.Length)] = (byte)random.Next();
            }

            await File.WriteAllBytesAsync(path, changed.AsMemory(0, random.Next(1, changed.Length)));
            using Snapshot snapshot = _set.Set.Open("one");
            using KeptCode? code = snapshot.OpenCode(Identity, Key, out _);

            Assert.True(code is null || Read(code, 3) is null or [1, 2, 3]);
        }
    }

    [Theory]
    [InlineData("folder")]
    [InlineData("link")]
    public async Task OpenCode_NoPlainFile_SaysSo(string kind)
    {
        string path = await CreateAsync(new Capture((3, [1, 2, 3])));
        File.Move(path, path + ".moved");
        if (kind == "link")
        {
            File.CreateSymbolicLink(path, path + ".moved");
        }
        else
        {
            Directory.CreateDirectory(path);
        }

        using Snapshot snapshot = _set.Set.Open("one");
        using KeptCode? code = snapshot.OpenCode(Identity, Key, out string? problem);

        Assert.Null(code);
        Assert.Equal(kind == "link", problem is not null); // a folder is no file that is there
    }

    [Fact]
    public async Task Collect_EngineDroppedEverythingMeanwhile_LeavesNoFile()
    {
        string path = await CreateAsync(new Capture((3, [1, 2, 3])) { IsWhole = false });

        using Snapshot snapshot = _set.Set.Open("one");

        Assert.False(File.Exists(path));
        Assert.Equal(0, snapshot.CodeBytes);
        Assert.Null(snapshot.OpenCode(Identity, Key, out string? problem));
        Assert.Null(problem);
    }

    [Fact]
    public async Task Collect_SeveralProcessorsHaveCodeOfAPage_TakesTheLargest()
    {
        await CreateAsync(new Capture((3, [1])), new Capture((3, [1, 2, 3]), (4, [9])), new Capture((3, [7, 7])));

        using Snapshot snapshot = _set.Set.Open("one");
        using KeptCode? code = snapshot.OpenCode(Identity, Key, out _);

        Assert.Equal([1, 2, 3], Read(code!, 3));
        Assert.Equal([9], Read(code!, 4));
    }

    [Fact]
    public async Task Collect_OnePageIsGone_KeepsTheOthers()
    {
        await CreateAsync(new Capture((3, []), (4, [1])));

        using Snapshot snapshot = _set.Set.Open("one");
        using KeptCode? code = snapshot.OpenCode(Identity, Key, out _);

        Assert.Null(Read(code!, 3));
        Assert.Equal([1], Read(code!, 4));
    }

    [Fact]
    public async Task OpenCode_SnapshotIsDeletedMeanwhile_StaysReadable()
    {
        await CreateAsync(new Capture((3, [1, 2, 3])));
        using Snapshot snapshot = _set.Set.Open("one");
        using KeptCode? code = snapshot.OpenCode(Identity, Key, out _);

        await _set.Set.DeleteAsync("one");

        Assert.Equal([1, 2, 3], Read(code!, 3));
    }

    private byte[]? Read(KeptCode code, ulong page)
    {
        byte[] buffer = [];
        return code.TryRead(page, _memory.AsSpan((int)page * PageSize, PageSize), ref buffer, out ReadOnlySpan<byte> record)
            ? record.ToArray()
            : null;
    }

    /// <returns>The path of its code.</returns>
    private async Task<string> CreateAsync(params Capture[] captures)
    {
        using SnapshotDraft draft = await _set.Set.BeginAsync("one");
        using MemoryImageBuilder builder = draft.BuildMemory(TestSet.Size, null, null);
        foreach (ulong page in builder.Pages)
        {
            builder.Save(page, _memory.AsSpan((int)page * PageSize, PageSize));
        }

        using MemoryImage image = builder.Complete();
        using (KeptCodeWriter writer = draft.KeepCode(Identity, Key))
        {
            writer.Collect(captures, CancellationToken.None);
            writer.Complete(image);
        }

        draft.Write([new UnitRecord("clock", new byte[] { 1 })], image);
        draft.Commit(TestSet.Manifest(draft, image, builder.Written));
        return Path.Combine(_set.Set.Folder, "one", "code.bin");
    }

    /// <summary>Records that some engine has; an empty one is of a page that it has dropped.</summary>
    private sealed class Capture(params (ulong Page, byte[] Record)[] pages) : ICodeCapture
    {
        public IReadOnlyList<(ulong Page, int Amount)> Pages => [.. pages.Select(page => (page.Page, page.Record.Length))];

        public bool IsWhole { get; init; } = true;

        public bool TryWrite(int index, Stream to)
        {
            to.Write(pages[index].Record);
            return pages[index].Record.Length != 0;
        }
    }
}
