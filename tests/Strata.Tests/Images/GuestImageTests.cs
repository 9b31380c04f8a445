using Strata.Images;
using Strata.Snapshots;

namespace Strata.Tests.Images;

/// <summary>The images without building one.</summary>
public sealed class GuestImageTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly ImageCache _cache;

    public GuestImageTests() => _cache = new ImageCache(_folder.PathOf("cache"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Find_UnknownName_NamesThoseThereAre()
    {
        StrataException error = Assert.Throws<StrataException>(() => GuestImages.Find("slackware", _cache));

        Assert.Contains("debian-tiny, debian, debian-bootable", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void IsCached_OtherRecipe_IsFalse()
    {
        GuestImage image = Fill("0");

        Assert.False(image.IsCached);
        Assert.Null(image.Built);
    }

    /// <summary>Somebody may remove the image while another process looks at it; here, reading fails for good.</summary>
    [Fact]
    public void IsCached_RecipeThatCannotBeRead_IsFalse()
    {
        GuestImage image = Fill("0");
        string recipe = Path.Combine(image.Folder, "recipe");
        File.Delete(recipe);
        File.CreateSymbolicLink(recipe, "/proc/self/mem");

        Assert.True(File.Exists(recipe));
        Assert.False(image.IsCached);
        Assert.Null(image.Built);
    }

    [Fact]
    public void CreateSpec_Debian_LeavesTheImageAsItIs()
    {
        GuestImage image = GuestImages.Find("debian", _cache);

        MachineSpec spec = image.CreateSpec(new GuestSetup { HostName = "web" });

        Assert.Equal([new DiskSpec { Path = Path.Combine(image.Folder, "disk.img"), Format = "raw", Snapshot = true }], spec.Disks);
        Assert.EndsWith(" strata.hostname=web", spec.CommandLine, StringComparison.Ordinal);
    }

    [Fact]
    public void AgentInitrdPath_OfEachImage_IsThereWhereTheDiskHasNoAgent()
    {
        Assert.Equal(Path.Combine(_cache.PathOf("debian-tiny"), "agent"), GuestImages.Find("debian-tiny", _cache).AgentInitrdPath);
        Assert.Null(GuestImages.Find("debian", _cache).AgentInitrdPath);
    }

    [Fact]
    public void DescribeSources_HostWithAMirror_NamesDebiansOwnServers()
    {
        const string targets =
            """
            Debian|Packages|Debian|bookworm|main
            Debian|Packages|Debian|bookworm-updates|main
            Debian|Packages|Debian|bookworm|main
            Debian|Translations|Debian|bookworm|main
            Debian|Packages|Debian-Security|bookworm-security|contrib
            Somebody|Packages|Somebody|stable|main

            """;

        Assert.Equal(
            [
                "deb http://deb.debian.org/debian bookworm main",
                "deb http://deb.debian.org/debian bookworm-updates main",
                "deb http://deb.debian.org/debian-security bookworm-security contrib",
            ],
            DebianPackages.DescribeSources(targets));
    }

    [Fact]
    public void CreateSpec_TinyWithASetup_IsRefused()
    {
        StrataException error = Assert.Throws<StrataException>(
            () => GuestImages.Find("debian-tiny", _cache).CreateSpec(new GuestSetup { HostName = "web" }));

        Assert.Contains("use debian", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CreateSpecAsync_Kept_CopiesOnceAndDoesNotNeedTheCache()
    {
        GuestImage image = Fill("4");
        string folder = _folder.PathOf("kept");
        await KeptMachines.CreateSpecAsync(image, GuestSetup.Default, folder);
        await File.WriteAllTextAsync(Path.Combine(folder, "disk.img"), "changed");
        await image.RemoveAsync();

        MachineSpec spec = await KeptMachines.CreateSpecAsync(image, GuestSetup.Default, folder);

        Assert.Equal([new DiskSpec { Path = Path.Combine(folder, "disk.img"), Format = "raw" }], spec.Disks);
        Assert.Equal("changed", await File.ReadAllTextAsync(spec.Disks[0].Path));
        Assert.Equal("vmlinuz", await File.ReadAllTextAsync(spec.Kernel!));
    }

    [Fact]
    public async Task CreateSpecAsync_KeptMachineThatRuns_IsRefusedUntilItEnds()
    {
        GuestImage image = Fill("4");
        string folder = _folder.PathOf("kept");
        MachineSpec first = await KeptMachines.CreateSpecAsync(image, GuestSetup.Default, folder);
        await File.WriteAllBytesAsync(first.Disks[0].Path, new byte[512]);
        using (Strata.Disks.DiskImages.Open(first.Disks[0].Path))
        {
            StrataException error = await Assert.ThrowsAsync<StrataException>(
                () => KeptMachines.CreateSpecAsync(image, GuestSetup.Default, folder));
            Assert.Contains($"{folder} is in use", error.Message, StringComparison.Ordinal);
            Assert.Contains("give --keep another name", error.Message, StringComparison.Ordinal);

            // one that came between the look and the start
            IOException late = Assert.ThrowsAny<IOException>(() => MachineDisk.Open(first.Disks[0]));
            Assert.Contains("is in use by this process itself", late.Message, StringComparison.Ordinal);
        }

        await KeptMachines.CreateSpecAsync(image, GuestSetup.Default, folder);
    }

    [Fact]
    public async Task CreateSpecAsync_KeptBySeveralAtOnce_IsCopiedOnce()
    {
        GuestImage image = Fill("4");
        string folder = _folder.PathOf("kept");

        MachineSpec[] specs = await Task.WhenAll(
            Enumerable.Range(0, 4).Select(_ => Task.Run(() => KeptMachines.CreateSpecAsync(image, GuestSetup.Default, folder))));

        Assert.All(specs, spec => Assert.Equal(Path.Combine(folder, "vmlinuz"), spec.Kernel));
        Assert.Equal([folder], Directory.GetDirectories(_folder.PathOf("."), "kept*").Select(Path.GetFullPath));
    }

    /// <summary>Whoever builds the image anew holds its lock while he exchanges the files.</summary>
    [Fact]
    public async Task CreateSpecAsync_WhileTheImageIsReplaced_WaitsForTheNewOne()
    {
        GuestImage image = Fill("4");
        string folder = _folder.PathOf("kept");
        Task<MachineSpec> kept;
        using (await _cache.LockAsync("debian", progress: null, CancellationToken.None))
        {
            kept = KeptMachines.CreateSpecAsync(image, GuestSetup.Default, folder);
            await Task.WhenAny(kept, Task.Delay(500));
            Assert.False(kept.IsCompleted);
            await File.WriteAllTextAsync(Path.Combine(image.Folder, "disk.img"), "new");
        }

        await kept;
        Assert.Equal("new", await File.ReadAllTextAsync(Path.Combine(folder, "disk.img")));
    }

    [Fact]
    public async Task CreateSpecAsync_FolderOfSomethingElse_IsRefused()
    {
        string folder = Directory.CreateDirectory(_folder.PathOf("other")).FullName;

        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => KeptMachines.CreateSpecAsync(Fill("4"), GuestSetup.Default, folder));

        Assert.Contains("holds no machine", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a\0b")]
    public async Task CreateSpecAsync_ImpossibleName_IsRefused(string name)
    {
        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => KeptMachines.CreateSpecAsync(Fill("4"), GuestSetup.Default, name));

        Assert.Contains("cannot name a machine", error.Message, StringComparison.Ordinal);
    }

    /// <summary>The debian image with names for contents.</summary>
    private GuestImage Fill(string recipe)
    {
        GuestImage image = GuestImages.Find("debian", _cache);
        Directory.CreateDirectory(image.Folder);
        foreach (string file in (ReadOnlySpan<string>)["vmlinuz", "initrd", "disk.img", "packages"])
        {
            File.WriteAllText(Path.Combine(image.Folder, file), file);
        }

        File.WriteAllText(Path.Combine(image.Folder, "recipe"), recipe);
        return image;
    }
}
