using System.Diagnostics;
using Strata.Images;

namespace Strata.Tests.Images;

/// <summary>Images are in the cache whole or not at all, whatever happens to their builders.</summary>
public sealed class ImageCacheTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly ImageCache _cache;

    public ImageCacheTests() => _cache = new ImageCache(_folder.PathOf("cache"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task ReplaceAsync_BuildSucceeds_ReplacesTheOldImage()
    {
        await BuildAsync("first");

        await BuildAsync("second");

        Assert.Equal("second", await File.ReadAllTextAsync(Path.Combine(_cache.PathOf("it"), "content")));
        Assert.Equal([_cache.PathOf("it")], Directory.GetDirectories(_cache.Folder));
    }

    [Fact]
    public async Task ReplaceAsync_BuildFails_KeepsTheOldImage()
    {
        await BuildAsync("first");

        await Assert.ThrowsAsync<IOException>(() => _cache.ReplaceAsync("it", _ => throw new IOException("no")));

        Assert.Equal("first", await File.ReadAllTextAsync(Path.Combine(_cache.PathOf("it"), "content")));
        Assert.Equal([_cache.PathOf("it")], Directory.GetDirectories(_cache.Folder));
    }

    [Fact]
    public async Task ReplaceAsync_BuilderWasKilledBefore_StartsFromNothing()
    {
        Directory.CreateDirectory(_cache.PathOf("it") + ".new");
        await File.WriteAllTextAsync(Path.Combine(_cache.PathOf("it") + ".new", "left"), "over");

        await BuildAsync("first");

        Assert.Equal(["content"], Directory.GetFiles(_cache.PathOf("it")).Select(Path.GetFileName));
    }

    /// <summary>A program that runs cannot be opened for writing: one of many causes that waiting does not remove.</summary>
    [Fact]
    public async Task LockAsync_FileThatNobodyHoldsButCannotBeOpened_SaysSoInsteadOfWaiting()
    {
        string path = _cache.PathOf("it") + ".lock";
        Directory.CreateDirectory(_cache.Folder);
        File.Copy("/bin/sleep", path);
        using Process running = Process.Start(path, "60");
        try
        {
            StrataException error = await Assert.ThrowsAsync<StrataException>(
                () => _cache.LockAsync("it", progress: null, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(20)));

            Assert.Equal(StrataError.Host, error.Error);
            Assert.Contains("XDG_CACHE_HOME", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            running.Kill();
            await running.WaitForExitAsync();
        }
    }

    [Fact]
    public async Task LockAsync_Held_MakesTheNextWaitAndSaysSo()
    {
        Lines lines = new();
        IDisposable first = await _cache.LockAsync("it", progress: null, CancellationToken.None);

        Task<IDisposable> second = _cache.LockAsync("it", lines, CancellationToken.None);
        bool waited = !second.IsCompleted;
        first.Dispose();
        using IDisposable hold = await second.WaitAsync(TimeSpan.FromSeconds(10));

        Assert.True(waited);
        Assert.Equal(["Waiting for another process that works on it"], lines.Reported);
    }

    [Fact]
    public async Task LockAsync_CacheIsAFile_SaysWhatToDo()
    {
        ImageCache cache = new(Path.Combine(_folder.Write("file", [0]), "cache"));

        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => cache.LockAsync("it", progress: null, CancellationToken.None));

        Assert.Contains("XDG_CACHE_HOME", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Remove_ImageIsThere_LeavesNothing()
    {
        await BuildAsync("first");

        Assert.True(_cache.Remove("it"));

        Assert.False(_cache.Remove("it"));
        Assert.Empty(Directory.GetDirectories(_cache.Folder));
    }

    private Task BuildAsync(string content) =>
        _cache.ReplaceAsync("it", staging => File.WriteAllTextAsync(Path.Combine(staging, "content"), content));

    private sealed class Lines : IProgress<string>
    {
        public List<string> Reported { get; } = [];

        public void Report(string value) => Reported.Add(value);
    }
}
