using Strata.Disks.Operations;
using Strata.Disks.Qcow2;
using Strata.Disks.Tests.Harness;

namespace Strata.Disks.Tests.Qcow2;

/// <summary>Images that QEMU wrote, read and changed by us, and the other way round.</summary>
public sealed class Qcow2InteropTests : IDisposable
{
    private const int DiskSize = 8 << 20;
    private readonly TemporaryFolder _folder = new(inMemory: true);

    [QemuTheory]
    [InlineData("compat=0.10")]
    [InlineData("compat=1.1,cluster_size=512")]
    [InlineData("compat=1.1,cluster_size=2M")]
    [InlineData("compat=1.1,refcount_bits=1")]
    [InlineData("compat=1.1,refcount_bits=64,cluster_size=4k")]
    [InlineData("compat=1.1,lazy_refcounts=on")]
    [InlineData("preallocation=metadata")]
    [InlineData("preallocation=full,cluster_size=4k")]
    public void Image_MadeByQemu_IsReadAndContinued(string options)
    {
        string path = _folder.PathOf("qemu.qcow2");
        QemuTools.Image("create", "-q", "-f", "qcow2", "-o", options, path, "8M");
        QemuTools.Io(
            path, "write -P 1 0 300k", "write -P 2 1M 1M", "write -P 3 1537k 3k", "discard 1200k 200k", "write -z 1900k 300k",
            "write -P 4 7M 1M");
        DiskModel model = ModelOf(path);

        using (DiskImage disk = DiskImages.Open(path))
        {
            Assert.Equal("qcow2", disk.Format);
            model.AssertSame(disk);
            Random random = new(options.Length);
            for (int i = 0; i < 60; i++)
            {
                model.Step(disk, random);
            }
        }

        QemuTools.AssertSound(path);
        QemuTools.AssertSame(path, "qcow2", _folder.Write("model.raw", model.Bytes), "raw");
    }

    [QemuFact]
    public void Image_CompressedByQemu_IsReadAndOverwritten()
    {
        string raw = _folder.Write("source.raw", Text(DiskSize));
        string path = _folder.PathOf("packed.qcow2");
        QemuTools.Image("convert", "-c", "-f", "raw", "-O", "qcow2", raw, path);
        DiskModel model = ModelOf(path);
        Assert.InRange(new FileInfo(path).Length, 1, DiskSize / 2);

        using (DiskImage disk = DiskImages.Open(path))
        {
            model.AssertSame(disk);
            Random random = new(8);
            for (int i = 0; i < 80; i++)
            {
                model.Step(disk, random);
            }
        }

        QemuTools.AssertSound(path);
        QemuTools.AssertSame(path, "qcow2", _folder.Write("model.raw", model.Bytes), "raw");
    }

    [QemuTheory]
    [InlineData(512)]
    [InlineData(65536)]
    [InlineData(2 << 20)]
    public void Convert_Compressed_IsReadByQemu(int clusterSize)
    {
        string raw = _folder.Write("source.raw", Text(DiskSize));
        string path = _folder.PathOf("packed.qcow2");

        using (DiskImage source = DiskImages.Open(raw, new DiskOpenOptions { ReadOnly = true }))
        {
            DiskConversion.Run(source, path, "qcow2", new DiskCreateOptions { Size = DiskSize, ClusterSize = clusterSize }, compress: true);
        }

        QemuTools.AssertSound(path);
        QemuTools.AssertSame(path, "qcow2", raw, "raw");
        Assert.InRange(new FileInfo(path).Length, 1, (DiskSize * 3 / 4) + (6L * clusterSize)); // the tables take whole clusters
    }

    [QemuFact]
    public void Overlay_OfQemusChain_IsReadThroughAllLayers()
    {
        QemuTools.Image("create", "-q", "-f", "qcow2", _folder.PathOf("a.qcow2"), "4M");
        QemuTools.Image("create", "-q", "-f", "qcow2", "-b", "a.qcow2", "-F", "qcow2", _folder.PathOf("b.qcow2"), "6M");
        QemuTools.Image("create", "-q", "-f", "qcow2", "-b", "b.qcow2", "-F", "qcow2", _folder.PathOf("c.qcow2"), "8M");
        QemuTools.Io(_folder.PathOf("a.qcow2"), "write -P 1 0 4M");
        QemuTools.Io(_folder.PathOf("b.qcow2"), "write -P 2 1M 1M", "write -z 2M 512k", "write -P 3 5M 1M");
        QemuTools.Io(_folder.PathOf("c.qcow2"), "write -P 4 1536k 1k", "discard 0 64k", "write -P 5 7M 100k");
        string path = _folder.PathOf("c.qcow2");
        DiskModel model = ModelOf(path);

        using (DiskImage disk = DiskImages.Open(path))
        {
            model.AssertSame(disk);
            Random random = new(21);
            for (int i = 0; i < 60; i++)
            {
                model.Step(disk, random);
            }
        }

        QemuTools.AssertSound(path);
        QemuTools.AssertSame(path, "qcow2", _folder.Write("model.raw", model.Bytes), "raw");
    }

    [QemuTheory]
    [InlineData("compat=1.1")]
    [InlineData("compat=0.10,cluster_size=4k")]
    public void Snapshots_MadeByQemuAndByUs_HoldWhatTheyHeld(string options)
    {
        string path = _folder.PathOf("disk.qcow2");
        QemuTools.Image("create", "-q", "-f", "qcow2", "-o", options, path, "8M");
        QemuTools.Io(path, "write -P 1 0 3M");
        QemuTools.Image("snapshot", "-c", "theirs", path);
        DiskModel model = ModelOf(path);
        byte[] theirs = [.. model.Bytes];
        byte[] ours;
        Random random = new(5);
        using (Qcow2Image disk = Qcow2Image.Open(path, new DiskOpenOptions()))
        {
            Steps(disk, model, random);
            disk.CreateSnapshot("ours", DateTimeOffset.UnixEpoch);
            ours = [.. model.Bytes];
            Steps(disk, model, random);
        }

        QemuTools.AssertSound(path);
        Assert.Equal(["theirs", "ours"], Qcow2Image.Open(
            path, new DiskOpenOptions { ReadOnly = true }).Use(disk => disk.Describe().Snapshots.Select(snapshot => snapshot.Name)));
        QemuTools.Image("snapshot", "-a", "ours", path);
        AssertHolds(path, ours);
        using (Qcow2Image disk = Qcow2Image.Open(path, new DiskOpenOptions()))
        {
            disk.ApplySnapshot("theirs");
            disk.Write(0, new byte[512]);
        }

        QemuTools.AssertSound(path);
        theirs.AsSpan(0, 512).Clear();
        AssertHolds(path, theirs);
        using (Qcow2Image disk = Qcow2Image.Open(path, new DiskOpenOptions()))
        {
            disk.DeleteSnapshot("theirs");
            disk.Write(65_536, new byte[512]);
            disk.DeleteSnapshot("2");
        }

        QemuTools.AssertSound(path);
        theirs.AsSpan(65_536, 512).Clear();
        AssertHolds(path, theirs);
    }

    [QemuFact]
    public void Check_LeakAndMiscountMadeByQemusTools_AreFoundAndRepaired()
    {
        string path = _folder.PathOf("disk.qcow2");
        QemuTools.Image("create", "-q", "-f", "qcow2", path, "8M");
        QemuTools.Io(path, "write -P 1 0 1M", "write -P 2 4M 1M");
        using (FileStream file = new(path, FileMode.Open))
        {
            file.Position = 0x20000 + (2 * 9); // a data cluster's count becomes 0
            file.Write([0, 0]);
            file.Position = 0x20000 + (2 * 60); // a free cluster's becomes 1
            file.Write([0, 1]);
        }

        using (Qcow2Image disk = Qcow2Image.Open(path, new DiskOpenOptions { ForRepair = true }))
        {
            DiskCheckReport found = disk.Check(repair: false);
            Assert.Contains("cluster 9", found.Errors[0], StringComparison.Ordinal);
            Assert.Equal(disk.ClusterSize, found.LeakedBytes);
            Assert.True(disk.Check(repair: true).IsClean);
            Assert.True(disk.Check(repair: false).IsClean);
        }

        QemuTools.AssertSound(path);
    }

    [QemuFact]
    public void Bitmaps_OfQemu_AreNoLeaksAndEndWithTheFirstWrite()
    {
        string path = _folder.PathOf("disk.qcow2");
        QemuTools.Image("create", "-q", "-f", "qcow2", path, "8M");
        QemuTools.Image("bitmap", "--add", path, "changes");
        QemuTools.Io(path, "write -P 1 0 1M");
        Assert.True(Qcow2Image.Open(path, new DiskOpenOptions { ReadOnly = true }).Use(disk => disk.Check(repair: false).IsClean));

        using (Qcow2Image disk = Qcow2Image.Open(path, new DiskOpenOptions()))
        {
            disk.Write(0, new byte[512]);
            Assert.True(disk.Check(repair: true).IsClean);
        }

        QemuTools.AssertSound(path);
    }

    public void Dispose() => _folder.Dispose();

    private static void Steps(DiskImage disk, DiskModel model, Random random)
    {
        for (int i = 0; i < 30; i++)
        {
            model.Step(disk, random);
        }
    }

    private static void AssertHolds(string path, byte[] content)
    {
        using DiskImage disk = DiskImages.Open(path, new DiskOpenOptions { ReadOnly = true });
        new DiskModel(content).AssertSame(disk);
    }

    /// <summary>Half noise, half words that repeat near and far.</summary>
    private static byte[] Text(int size)
    {
        byte[] text = new byte[size];
        Random random = new(99);
        for (int i = 0; i < size; i += 64)
        {
            if (i / 4096 % 4 == 0)
            {
                random.NextBytes(text.AsSpan(i, 64));
            }
            else
            {
                text.AsSpan(i, 64).Fill((byte)('a' + random.Next(20)));
            }
        }

        return text;
    }

    private DiskModel ModelOf(string path)
    {
        string raw = _folder.PathOf("expected.raw");
        QemuTools.Image("convert", "-f", "qcow2", "-O", "raw", path, raw);
        return new DiskModel(File.ReadAllBytes(raw));
    }
}
