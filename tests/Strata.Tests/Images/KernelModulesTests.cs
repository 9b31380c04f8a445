using System.Text;
using Strata.Images;

namespace Strata.Tests.Images;

/// <summary>Which modules an initial RAM disk gets, and in which order it loads them.</summary>
public sealed class KernelModulesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void InLoadOrder_Dependencies_ComeFirstAndOnce()
    {
        Write("drivers/virtio/virtio_pci.ko", "virtio-ring,virtio");
        Write("drivers/virtio/virtio_ring.ko", "virtio");
        Write("drivers/virtio/virtio.ko", "");
        Write("drivers/block/virtio-blk.ko", "virtio");

        Assert.Equal(
            ["virtio", "virtio_ring", "virtio_pci", "virtio_blk"],
            KernelModules.InLoadOrder(Root, ["virtio_pci", "virtio_blk"]).Select(module => module.Module));
    }

    [Fact]
    public void InLoadOrder_Loaded_AreLeftOutAndGrow()
    {
        Write("drivers/virtio/virtio.ko", "");
        Write("drivers/net/net_failover.ko", "");
        Write("drivers/net/virtio_net.ko", "virtio,net_failover");
        HashSet<string> loaded = ["virtio"];

        Assert.Equal(
            ["net_failover", "virtio_net"], KernelModules.InLoadOrder(Root, ["virtio_net"], loaded).Select(module => module.Module));
        Assert.Equal(["net_failover", "virtio", "virtio_net"], loaded.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void InLoadOrder_BuiltIn_HasNoFile() => Assert.Empty(KernelModules.InLoadOrder(Root, ["ext4"]));

    [Fact]
    public void InLoadOrder_Circle_Ends()
    {
        Write("a.ko", "b");
        Write("b.ko", "a");

        Assert.Equal(["b", "a"], KernelModules.InLoadOrder(Root, ["a"]).Select(module => module.Module));
    }

    [Fact]
    public void InLoadOrder_FileThatIsNoModule_IsTakenWithoutDependencies()
    {
        Write("a.ko", null);

        Assert.Equal(["a"], KernelModules.InLoadOrder(Root, ["a"]).Select(module => module.Module));
    }

    [Fact]
    public void RemoveUseless_DriversOfOtherHardware_GoAndOthersStay()
    {
        Write("drivers/infiniband/core/ib_core.ko", "");
        Write("drivers/net/virtio_net.ko", "");

        KernelModules.RemoveUseless(_folder.PathOf("root"));

        Assert.Equal(
            ["virtio_net"], Directory.EnumerateFiles(Root, "*.ko", SearchOption.AllDirectories).Select(Path.GetFileNameWithoutExtension));
    }

    private string Root => Directory.CreateDirectory(Path.Combine(_folder.PathOf("root"), "lib", "modules", "6.1")).FullName;

    /// <param name="depends">What .modinfo says, or null for a file without one.</param>
    private void Write(string path, string? depends)
    {
        string file = Path.Combine(Root, "kernel", path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllBytes(file, depends is null ? [1, 2, 3] : Encoding.ASCII.GetBytes($"ELF\0license=GPL\0depends={depends}\0name=x\0"));
    }
}
