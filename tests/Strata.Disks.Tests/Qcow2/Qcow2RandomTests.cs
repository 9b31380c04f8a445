using Strata.Disks.Qcow2;
using Strata.Disks.Tests.Harness;

namespace Strata.Disks.Tests.Qcow2;

/// <summary>Random operations on images of every shape against plain bytes, and QEMU's tools as the judge of the files.</summary>
public sealed class Qcow2RandomTests : IDisposable
{
    private readonly TemporaryFolder _folder = new(inMemory: true);

    public static TheoryData<int, int, int, bool, int> Shapes => new()
    {
        // version, cluster size, refcount bits, lazy, seed
        { 3, 65536, 16, false, 1 },
        { 3, 512, 16, false, 2 },
        { 3, 512, 64, false, 3 },
        { 3, 4096, 1, false, 4 },
        { 3, 1024, 2, false, 5 },
        { 3, 4096, 4, true, 6 },
        { 3, 4096, 8, false, 7 },
        { 3, 4096, 32, false, 8 },
        { 3, 2 << 20, 16, true, 9 },
        { 2, 65536, 16, false, 10 },
        { 2, 512, 16, false, 11 },
    };

    [QemuTheory]
    [MemberData(nameof(Shapes))]
    public void Operations_OnAnImageOfAnyShape_AreThoseOfAPlainFile(int version, int clusterSize, int refcountBits, bool lazy, int seed)
    {
        const int size = (9 << 20) + 512;
        string path = _folder.PathOf("disk.qcow2");
        DiskModel model = new(size);
        Random random = new(seed);
        using (Qcow2Image disk = Qcow2Image.Create(
            path, new DiskCreateOptions
            {
                Size = size,
                Version = version,
                ClusterSize = clusterSize,
                RefcountBits = refcountBits,
                LazyRefcounts = lazy,
            }))
        {
            Work(disk, model, random, mostSnapshots: refcountBits < 8 ? 0 : 2);
            model.AssertSame(disk);
        }

        QemuTools.AssertSound(path);
        QemuTools.AssertSame(path, "qcow2", _folder.Write("model.raw", model.Bytes), "raw");
        using DiskImage again = Qcow2Image.Open(path, new DiskOpenOptions { ReadOnly = true });
        model.AssertSame(again);
        Assert.True(again.Check(repair: false).IsClean);
    }

    [QemuTheory]
    [InlineData(3, 65536, 2 << 20)]
    [InlineData(3, 1024, 5 << 20)]
    [InlineData(2, 4096, (3 << 20) + 512)]
    public void Operations_OnAnOverlay_LeaveTheBackingImageAlone(int version, int clusterSize, int backingSize)
    {
        const int size = 4 << 20;
        string path = _folder.PathOf("disk.qcow2");
        byte[] backing = new byte[backingSize];
        Random random = new(clusterSize);
        random.NextBytes(backing);
        _folder.Write("base.raw", backing);
        DiskModel model = new(size);
        backing.AsSpan(0, Math.Min(backingSize, size)).CopyTo(model.Bytes);
        using (Qcow2Image disk = Qcow2Image.Create(
            path, new DiskCreateOptions
            {
                Size = size,
                Version = version,
                ClusterSize = clusterSize,
                BackingFile = "base.raw",
                BackingFormat = "raw",
            }))
        {
            Work(disk, model, random, mostSnapshots: 2);
            model.AssertSame(disk);
        }

        QemuTools.AssertSound(path);
        QemuTools.AssertSame(path, "qcow2", _folder.Write("model.raw", model.Bytes), "raw");
        Assert.Equal(backing, File.ReadAllBytes(_folder.PathOf("base.raw")));
    }

    [Fact]
    public void CreateSnapshot_MoreReferencesThanTheImageCanCount_IsRefusedAndChangesNothing()
    {
        string path = _folder.PathOf("disk.qcow2");
        byte[] data = new byte[65_536];
        data.AsSpan().Fill(1);
        using (Qcow2Image disk = Qcow2Image.Create(path, new DiskCreateOptions { Size = 1 << 20, RefcountBits = 1 }))
        {
            disk.Write(0, data);

            Assert.Contains(
                "1 bits", Assert.Throws<DiskImageException>(() => disk.CreateSnapshot("one", DateTimeOffset.UnixEpoch)).Message,
                StringComparison.Ordinal);
            disk.Write(65_536, data);
        }

        using DiskImage again = Qcow2Image.Open(path, new DiskOpenOptions { ReadOnly = true });
        Assert.Empty(again.Describe().Snapshots);
        Assert.True(again.Check(repair: false).IsClean);
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>Reads, writes, discards; compressed clusters among them; snapshots come, are returned to and go.</summary>
    private static void Work(Qcow2Image disk, DiskModel model, Random random, int mostSnapshots)
    {
        Dictionary<string, byte[]> snapshots = [];
        for (int i = 0; i < 300; i++)
        {
            model.Step(disk, random);
            switch (random.Next(25))
            {
                case < 2:
                    WriteCompressed(disk, model, random);
                    break;
                case 2 when snapshots.Count < mostSnapshots:
                    disk.CreateSnapshot($"at {i}", DateTimeOffset.UnixEpoch);
                    snapshots.Add($"at {i}", [.. model.Bytes]);
                    break;
                case 3 when snapshots.Keys.FirstOrDefault() is { } name:
                    disk.ApplySnapshot(name);
                    snapshots[name].CopyTo(model.Bytes, 0);
                    break;
                case 4 when snapshots.Keys.FirstOrDefault() is { } name:
                    disk.DeleteSnapshot(name);
                    snapshots.Remove(name);
                    break;
                default:
                    break;
            }
        }
    }

    private static void WriteCompressed(Qcow2Image disk, DiskModel model, Random random)
    {
        int start = random.Next(model.Bytes.Length / disk.ClusterSize) * disk.ClusterSize;
        byte[] data = new byte[Math.Min(disk.ClusterSize, model.Bytes.Length - start)];
        random.NextBytes(data.AsSpan(0, data.Length / random.Next(2, 9)));
        if (disk.WriteCompressed(start, data))
        {
            data.CopyTo(model.Bytes, start);
        }
    }
}
