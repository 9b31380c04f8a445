using System.Runtime.InteropServices;
using Strata.Machines.Boot;

namespace Strata.Tests;

/// <summary>What a guest is started from again after a reset.</summary>
public sealed class BootFilesTests : IDisposable
{
    private static readonly byte[] Kernel = Pattern(100_000, 1);
    private static readonly byte[] Initrd = Pattern(5_001, 2);

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Load_EveryTime_GivesTheSameFilesOutsideOfTheHeap()
    {
        using BootFiles files = await BootFiles.ReadAsync(
            Spec() with { Modules = [new ModuleFile(_folder.Write("module", Pattern(77, 4)), "text")] }, default);

        for (int start = 0; start < 3; start++)
        {
            using BootImages images = files.Load();
            Assert.Equal(Kernel, images.Kernel.ToArray());
            Assert.Equal(Initrd, images.Initrd.ToArray());
            BootModule module = Assert.Single(images.Modules);
            Assert.Equal((77, "text"), (module.Content.Length, module.Text));
            Assert.False(MemoryMarshal.TryGetArray(images.Kernel, out _));
        }
    }

    /// <summary>An image that is built anew is another folder, and its old files are gone.</summary>
    [Fact]
    public async Task Load_FilesReplacedMeanwhile_GivesThoseOfTheFirstStart()
    {
        MachineSpec spec = Spec();
        using BootFiles files = await BootFiles.ReadAsync(spec, default);
        files.Load().Dispose();
        File.Move(_folder.Write("new", Pattern(50, 9)), spec.Kernel!, overwrite: true);
        File.Delete(spec.Initrd!);

        using BootImages images = files.Load();

        Assert.Equal(Kernel, images.Kernel.ToArray());
        Assert.Equal(Initrd, images.Initrd.ToArray());
    }

    [Theory]
    [InlineData(100_000)]
    [InlineData(99_999)]
    [InlineData(100_001)]
    public async Task Load_KernelWrittenToMeanwhile_NamesItAndTheRemedy(int length)
    {
        MachineSpec spec = Spec();
        File.SetLastWriteTimeUtc(spec.Kernel!, DateTime.UnixEpoch);
        using BootFiles files = await BootFiles.ReadAsync(spec, default);
        files.Load().Dispose();
        await File.WriteAllBytesAsync(spec.Kernel!, Pattern(length, 3));

        BootImageException error = Assert.Throws<BootImageException>(() => files.Load());

        Assert.Contains(spec.Kernel!, error.Message, StringComparison.Ordinal);
        Assert.Contains("start the machine anew", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Load_Overlays_LieBehindTheInitrdEachAtAMultipleOfFour()
    {
        byte[] overlay = Pattern(3, 5);
        using BootFiles files = await BootFiles.ReadAsync(Spec() with { InitrdOverlays = [_folder.Write("overlay", overlay)] }, default);

        using BootImages images = files.Load();

        Assert.Equal([.. Initrd, 0, 0, 0, .. overlay, 0], images.Initrd.ToArray());
    }

    [Fact]
    public async Task Load_OverlaysThatFitOneByOneOnly_AreRefused()
    {
        string half = _folder.WriteSparse("half", 5 << 20);

        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => BootFiles.ReadAsync(Spec() with { Memory = 8 << 20, InitrdOverlays = [half, half] }, default));

        Assert.Contains("10 MiB", error.Message, StringComparison.Ordinal);
    }

    /// <summary>As a pipe, which cannot be read twice.</summary>
    [Fact]
    public async Task Load_FileWithoutALength_IsKept()
    {
        using BootFiles files = await BootFiles.ReadAsync(Spec() with { Kernel = "/proc/version" }, default);

        using BootImages first = files.Load();
        using BootImages second = files.Load();

        Assert.Equal(await File.ReadAllBytesAsync("/proc/version"), first.Kernel.ToArray());
        Assert.Equal(first.Kernel.ToArray(), second.Kernel.ToArray());
    }

    [Fact]
    public void Load_LaterAndMissing_NamesTheFileAndCanBeTriedAgain()
    {
        MachineSpec spec = Spec() with { Kernel = _folder.PathOf("later") };
        using BootFiles files = BootFiles.Later(spec);

        BootImageException error = Assert.Throws<BootImageException>(() => files.Load());
        _folder.Write("later", Kernel);
        using BootImages images = files.Load();

        Assert.Contains(spec.Kernel!, error.Message, StringComparison.Ordinal);
        Assert.Equal(Kernel, images.Kernel.ToArray());
        Assert.Equal(Initrd, images.Initrd.ToArray());
    }

    public void Dispose() => _folder.Dispose();

    private MachineSpec Spec() => new()
    {
        Kernel = _folder.Write("kernel", Kernel),
        Initrd = _folder.Write("initrd", Initrd),
        Memory = 16 << 20,
    };

    private static byte[] Pattern(int length, int seed)
    {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++)
        {
            bytes[i] = (byte)((i * 31) + (i >> 8) + seed);
        }

        return bytes;
    }
}
