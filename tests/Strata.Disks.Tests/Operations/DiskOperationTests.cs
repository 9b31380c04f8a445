using Strata.Disks.Operations;
using Strata.Disks.Qcow2;
using Strata.Disks.Tests.Harness;

namespace Strata.Disks.Tests.Operations;

/// <summary>Whole-image operations; where QEMU's tools are there they judge the results too.</summary>
public sealed class DiskOperationTests : IDisposable
{
    private const int DiskSize = 4 << 20;
    private readonly TemporaryFolder _folder = new(inMemory: true);

    [Theory]
    [InlineData("raw")]
    [InlineData("qcow2")]
    public void Convert_ADiskWithBacking_HoldsWhatTheGuestSaw(string format)
    {
        DiskModel model = CreateChain(out string overlay);
        string target = _folder.PathOf("target");
        List<DiskProgress> reports = [];

        using (DiskImage source = DiskImages.Open(overlay, new DiskOpenOptions { ReadOnly = true }))
        {
            DiskConversion.Run(source, target, format, new DiskCreateOptions { Size = 512 }, progress: new Recorder(reports));
        }

        using DiskImage result = DiskImages.Open(target, new DiskOpenOptions { Format = format, ReadOnly = true });
        model.AssertSame(result);
        Assert.Equal(new DiskProgress(DiskSize, DiskSize), reports[^1]);
        Assert.Equal(reports.Select(report => report.Done).Order(), reports.Select(report => report.Done));
        Judge(overlay);
    }

    [Fact]
    public void Convert_SparseDisk_StaysSparse()
    {
        string target = _folder.PathOf("target.raw");
        using (Qcow2Image source = Qcow2Image.Create(_folder.PathOf("source.qcow2"), new DiskCreateOptions { Size = 64L << 30 }))
        {
            source.Write(40L << 30, Enumerable.Repeat((byte)1, 65_536).ToArray());
            DiskConversion.Run(source, target, "raw", new DiskCreateOptions { Size = 512 });
        }

        using ImageFile file = ImageFile.Open(target, readOnly: true);
        Assert.Equal(64L << 30, file.Length);
        Assert.InRange(file.AllocatedBytes, 65_536, 4 * 65_536);
    }

    [Fact]
    public void Convert_Cancelled_LeavesNothing()
    {
        CreateChain(out string overlay);
        using DiskImage source = DiskImages.Open(overlay, new DiskOpenOptions { ReadOnly = true });
        using CancellationTokenSource stop = new();
        stop.Cancel();
        int before = Directory.GetFiles(_folder.PathOf(string.Empty)).Length;

        Assert.Throws<OperationCanceledException>(() =>
            DiskConversion.Run(
                source, _folder.PathOf("target"), "qcow2", new DiskCreateOptions { Size = 512 }, cancellationToken: stop.Token));

        Assert.Equal(before, Directory.GetFiles(_folder.PathOf(string.Empty)).Length);
    }

    [Fact]
    public void Convert_TargetThatExists_IsRefusedUnlessItMayBeReplaced()
    {
        CreateChain(out string overlay);
        string target = _folder.Write("target", "precious"u8);
        using DiskImage source = DiskImages.Open(overlay, new DiskOpenOptions { ReadOnly = true });

        Assert.Throws<DiskImageException>(() => DiskConversion.Run(source, target, "raw", new DiskCreateOptions { Size = 512 }));
        Assert.Equal("precious"u8.ToArray(), File.ReadAllBytes(target));
        DiskConversion.Run(source, target, "raw", new DiskCreateOptions { Size = 512, Overwrite = true });

        Assert.Equal(DiskSize, new FileInfo(target).Length);
    }

    [Fact]
    public void Compare_Disks_FindsTheFirstByteThatDiffers()
    {
        using RawDisk raw = RawDisk.Create(_folder.PathOf("a.raw"), DiskSize);
        using Qcow2Image longer = Qcow2Image.Create(_folder.PathOf("b.qcow2"), new DiskCreateOptions { Size = 2 * DiskSize });
        raw.Write(1 << 20, new byte[] { 1 }.Concat(new byte[511]).ToArray());
        longer.Write(1 << 20, new byte[] { 1 }.Concat(new byte[511]).ToArray());
        Assert.Equal(new DiskComparison(null, HasSameSize: false), DiskComparison.Run(raw, longer));

        longer.Write(DiskSize, new byte[3].Append((byte)1).Concat(new byte[508]).ToArray());

        Assert.Equal(DiskSize + 3, DiskComparison.Run(raw, longer).DifferentAt);
        Assert.Equal(DiskSize + 3, DiskComparison.Run(longer, raw).DifferentAt);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Commit_AnOverlay_MovesItsContentIntoTheBackingImage(bool keep)
    {
        DiskModel model = CreateChain(out string overlay);

        DiskChain.Commit(overlay, new DiskOpenOptions(), keep);

        using (DiskImage disk = DiskImages.Open(overlay, new DiskOpenOptions { ReadOnly = true }))
        {
            model.AssertSame(disk);
            Assert.Equal(keep, disk.Map(0, DiskSize).Kind == DiskExtentKind.Data);
        }

        using (DiskImage disk = DiskImages.Open(_folder.PathOf("base.qcow2"), new DiskOpenOptions { ReadOnly = true }))
        {
            model.AssertSame(disk);
        }

        Judge(overlay);
        Judge(_folder.PathOf("base.qcow2"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("other.raw")]
    public void Rebase_OntoAnotherImage_KeepsTheDisk(string? backing)
    {
        DiskModel model = CreateChain(out string overlay);
        using (DiskImage other = RawDisk.Create(_folder.PathOf("other.raw"), DiskSize / 2))
        {
            other.Write(65_536, Enumerable.Repeat((byte)9, 131_072).ToArray());
        }

        DiskChain.Rebase(overlay, backing, null, new DiskOpenOptions());

        File.Delete(_folder.PathOf("base.qcow2"));
        using (DiskImage disk = DiskImages.Open(overlay, new DiskOpenOptions { ReadOnly = true }))
        {
            model.AssertSame(disk);
            Assert.Equal(backing, disk.Describe().BackingFile);
            Assert.Equal(backing is null ? null : "raw", disk.Describe().BackingFormat);
        }

        Judge(overlay);
    }

    [Fact]
    public void RebaseUnsafely_MovedBacking_ChangesTheNameAlone()
    {
        DiskModel model = CreateChain(out string overlay);
        File.Move(_folder.PathOf("base.qcow2"), _folder.PathOf("moved.qcow2"));

        DiskChain.RebaseUnsafely(overlay, "moved.qcow2", "qcow2", new DiskOpenOptions());

        using DiskImage disk = DiskImages.Open(overlay, new DiskOpenOptions { ReadOnly = true });
        model.AssertSame(disk);
    }

    [Theory]
    [InlineData(3, 512)]
    [InlineData(3, 65536)]
    [InlineData(2, 4096)]
    public void Resize_SmallerAndLarger_DoesNotBringBackWhatWasCutOff(int version, int clusterSize)
    {
        string path = _folder.PathOf("disk.qcow2");
        byte[] ones = Enumerable.Repeat((byte)1, DiskSize).ToArray();
        using (Qcow2Image disk = Qcow2Image.Create(
            path, new DiskCreateOptions { Size = DiskSize, Version = version, ClusterSize = clusterSize }))
        {
            disk.Write(0, ones);
            disk.Resize((1 << 20) + 512);
            Assert.Equal(((1 << 20) / 512) + 1, disk.Sectors);
            disk.Resize(16L << 20);
            disk.Write((16 << 20) - 512, ones.AsSpan(0, 512));
        }

        byte[] expected = new byte[16 << 20];
        expected.AsSpan(0, (1 << 20) + 512).Fill(1);
        expected.AsSpan((16 << 20) - 512).Fill(1);
        using (DiskImage disk = DiskImages.Open(path, new DiskOpenOptions { ReadOnly = true }))
        {
            new DiskModel(expected).AssertSame(disk);
        }

        Judge(path);
    }

    [Fact]
    public void Resize_LargerOverALongerBackingImage_HidesWhatIsBehind()
    {
        using (DiskImage backing = RawDisk.Create(_folder.PathOf("base.raw"), DiskSize))
        {
            backing.Write(0, Enumerable.Repeat((byte)7, DiskSize).ToArray());
        }

        string path = _folder.PathOf("disk.qcow2");
        using (Qcow2Image disk = Qcow2Image.Create(
            path, new DiskCreateOptions { Size = 1 << 20, BackingFile = "base.raw", BackingFormat = "raw" }))
        {
            disk.Resize(2 * DiskSize);
        }

        byte[] expected = new byte[2 * DiskSize];
        expected.AsSpan(0, 1 << 20).Fill(7);
        using (DiskImage disk = DiskImages.Open(path, new DiskOpenOptions { ReadOnly = true }))
        {
            new DiskModel(expected).AssertSame(disk);
        }

        Judge(path);
    }

    [Fact]
    public void TemporaryOverlay_Writes_AreGoneWhenItIsClosed()
    {
        CreateChain(out string overlay);
        byte[] before = File.ReadAllBytes(overlay);
        byte[] ones = Enumerable.Repeat((byte)1, 4096).ToArray();
        byte[] read = new byte[4096];
        string folder = Directory.CreateDirectory(_folder.PathOf("changes")).FullName;

        using (DiskImage disk = TemporaryOverlay.Open(overlay, new DiskOpenOptions(), folder))
        {
            disk.Write(0, ones);
            disk.Flush();
            disk.Read(0, read);
            Assert.Empty(Directory.GetFiles(folder));
        }

        Assert.Equal(ones, read);
        Assert.Equal(before, File.ReadAllBytes(overlay));
    }

    public void Dispose() => _folder.Dispose();

    private static void Judge(string path)
    {
        if (QemuTools.Missing is null)
        {
            QemuTools.AssertSound(path);
        }

        Assert.True(
            Qcow2Image.Open(
                path,
                new DiskOpenOptions { ReadOnly = true, Backing = BackingAccess.Detached }).Use(disk => disk.Check(repair: false).IsClean));
    }

    /// <summary>An overlay with data, zeros and holes over a backing image with other data.</summary>
    private DiskModel CreateChain(out string overlay)
    {
        DiskModel model = new(DiskSize);
        Random random = new(17);
        using (Qcow2Image disk = Qcow2Image.Create(
            _folder.PathOf("base.qcow2"), new DiskCreateOptions { Size = DiskSize, ClusterSize = 4096 }))
        {
            for (int i = 0; i < 40; i++)
            {
                model.Step(disk, random);
            }
        }

        overlay = _folder.PathOf("overlay.qcow2");
        using (Qcow2Image disk = Qcow2Image.Create(
            overlay, new DiskCreateOptions { Size = DiskSize, BackingFile = "base.qcow2", BackingFormat = "qcow2" }))
        {
            for (int i = 0; i < 10; i++)
            {
                model.Step(disk, random);
            }

            byte[] first = Enumerable.Repeat((byte)3, 65_536).ToArray();
            disk.Write(0, first);
            first.CopyTo(model.Bytes, 0);
        }

        return model;
    }

    private sealed class Recorder(List<DiskProgress> reports) : IProgress<DiskProgress>
    {
        public void Report(DiskProgress value) => reports.Add(value);
    }
}
