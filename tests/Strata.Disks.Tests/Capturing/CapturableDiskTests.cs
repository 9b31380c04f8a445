using Strata.Disks.Capturing;
using Strata.Disks.Images;
using Strata.Disks.Qcow2;

namespace Strata.Disks.Tests.Capturing;

public sealed class CapturableDiskTests : IDisposable
{
    private const int Cluster = ClusterSet.ClusterSize;
    private const long Size = (16 * Cluster) + 4096; // the last cluster is a part of one

    private readonly string _folder = Directory.CreateTempSubdirectory("strata-capture").FullName;
    private readonly CapturableDisk _disk;

    public CapturableDiskTests() => _disk = new CapturableDisk(RawDisk.Create(Path.Combine(_folder, "disk.raw"), Size));

    public void Dispose()
    {
        _disk.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void SaveAll_WrittenMeanwhile_KeepsTheMoment()
    {
        Fill(0, 3 * Cluster, 1);
        Fill(Size - 4096, 4096, 2);
        using DiskImage target = Target("a.qcow2");
        using DiskCapture capture = _disk.Capture(_disk.FindContent(null), target);
        Fill(Cluster - 512, 1024, 9);
        Fill(Size - 512, 512, 9);
        _disk.WriteZeros(2 * Cluster, Cluster);

        capture.SaveAll();

        byte[] expected = new byte[Size];
        expected.AsSpan(0, 3 * Cluster).Fill(1);
        expected.AsSpan((int)Size - 4096).Fill(2);
        Assert.Equal(expected, ReadAll(target));
    }

    [Fact]
    public void Capture_OfWhatWasWrittenSince_HasNoMore()
    {
        Fill(0, 4 * Cluster, 1);
        using DiskImage first = Target("a.qcow2");
        using (DiskCapture capture = _disk.Capture(_disk.FindContent(null), first))
        {
            Fill(Cluster, 512, 7);
            capture.SaveAll();
            capture.Accept();
        }

        using DiskImage second = Target("b.qcow2");
        using DiskCapture next = _disk.Capture(null, second);
        next.SaveAll();

        Assert.Equal(Cluster, next.Saved);
        byte[] cluster = new byte[512];
        second.Read(Cluster, cluster);
        Assert.All(cluster, value => Assert.Equal(7, value));
    }

    [Fact]
    public void Dispose_OfACaptureThatFailed_CountsItsClustersAgain()
    {
        Fill(3 * Cluster, 512, 1);
        using (DiskImage lost = Target("a.qcow2"))
        {
            _disk.Capture(null, lost).Dispose();
        }

        using DiskImage target = Target("b.qcow2");
        using DiskCapture capture = _disk.Capture(null, target);
        capture.SaveAll();

        Assert.Equal(Cluster, capture.Saved);
    }

    [Fact]
    public void Dispose_OfACaptureThatNobodyAccepted_CountsItsClustersAgain()
    {
        Fill(3 * Cluster, 512, 1);
        using (DiskImage lost = Target("a.qcow2"))
        {
            using DiskCapture unused = _disk.Capture(null, lost);
            unused.SaveAll(); // and then the snapshot could not be written
        }

        using DiskImage target = Target("b.qcow2");
        using DiskCapture capture = _disk.Capture(null, target);
        capture.SaveAll();

        Assert.Equal(Cluster, capture.Saved);
    }

    [Fact]
    public void PutBack_BehindAnEarlierWrite_LeavesThatForTheNextCapture()
    {
        Fill(3 * Cluster, 512, 1);
        using (DiskImage store = Target("a.qcow2"))
        {
            using DiskCapture checkpoint = _disk.Capture(AllClusters(), store);
            Fill(5 * Cluster, 512, 2);
            checkpoint.PutBack();
        }

        using DiskImage target = Target("b.qcow2");
        using DiskCapture capture = _disk.Capture(null, target);
        capture.SaveAll();

        byte[] found = new byte[512];
        target.Read(3 * Cluster, found);
        Assert.All(found, value => Assert.Equal(1, value));
    }

    [Fact]
    public void PutBack_AfterWrites_RestoresTheMoment()
    {
        Fill(0, Size, 1);
        byte[] before = ReadAll(_disk.Image);
        using DiskImage target = Target("a.qcow2");
        using DiskCapture capture = _disk.Capture(AllClusters(), target);
        Fill(5 * Cluster, 512, 9);
        _disk.Discard(7 * Cluster, Cluster);
        _disk.WriteZeros(Size - 4096, 4096);

        capture.PutBack();

        Assert.Equal(before, ReadAll(_disk.Image));
        Assert.Equal((2 * Cluster) + 4096, capture.Saved);
    }

    [Fact]
    public void FindContent_AboveABackingImage_IsWhatTheOverlaysHold()
    {
        string basePath = Path.Combine(_folder, "base.raw");
        byte[] content = new byte[Size];
        content.AsSpan().Fill(1);
        File.WriteAllBytes(basePath, content);
        using CapturableDisk overlay = new(
            Qcow2Image.CreateOverlay(Path.Combine(_folder, "o.qcow2"), RawDisk.Open(basePath, readOnly: true, isGuess: false), basePath));
        overlay.Write(2 * Cluster, new byte[512]);
        overlay.WriteZeros(4 * Cluster, Cluster);

        Assert.Equal([2, 4], overlay.FindContent(overlay.Image.Backing).Members());
        Assert.Equal(17, overlay.FindContent(null).CountMembers());
    }

    [Fact]
    public void SaveAll_BesideManyWriters_KeepsTheMoment()
    {
        Random random = new(1);
        byte[] content = new byte[Size];
        random.NextBytes(content);
        _disk.Write(0, content);
        using DiskImage target = Target("a.qcow2");
        using DiskCapture capture = _disk.Capture(AllClusters(), target);

        Parallel.Invoke(
            () => capture.SaveAll(),
            () => Scribble(2),
            () => Scribble(3));

        Assert.Equal(content, ReadAll(target));
    }

    private void Scribble(int seed)
    {
        Random random = new(seed);
        byte[] bytes = new byte[3 * Cluster / 2];
        for (int i = 0; i < 200; i++)
        {
            int length = random.Next(1, bytes.Length / 512) * 512;
            long offset = random.NextInt64(0, (Size - length) / 512) * 512;
            random.NextBytes(bytes);
            _disk.Write(offset, bytes.AsSpan(0, length));
        }
    }

    private ClusterSet AllClusters()
    {
        ClusterSet all = new(Size);
        all.AddRange(0, Size);
        return all;
    }

    private Qcow2Image Target(string name) => Qcow2Image.Create(Path.Combine(_folder, name), new DiskCreateOptions { Size = Size });

    private void Fill(long offset, long length, byte value)
    {
        byte[] bytes = new byte[length];
        bytes.AsSpan().Fill(value);
        _disk.Write(offset, bytes);
    }

    private static byte[] ReadAll(DiskImage disk)
    {
        byte[] bytes = new byte[disk.Sectors * 512];
        disk.Read(0, bytes);
        return bytes;
    }
}
