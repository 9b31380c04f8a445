using System.Globalization;
using Strata.Disks.Tests.Blocks;
using Strata.Disks.Vmdk;

namespace Strata.Disks.Tests.Vmdk;

/// <summary>streamOptimized images: written from start to end, read anywhere, in both directions with qemu-img.</summary>
public sealed class VmdkStreamTests : IDisposable
{
    private const int DiskSize = (33 << 20) + (3 * 512);
    private static readonly VmdkOptions Stream = new() { Subformat = VmdkSubformat.StreamOptimized };

    private readonly ImageFolder _folder = new();

    [Fact]
    public void Write_FromStartToEnd_IsReadBack()
    {
        byte[] disk = SomeDisk(seed: 1);
        string path = WriteStream(disk);
        byte[] seen = new byte[disk.Length];

        using VmdkImage image = VmdkImage.Open(path, readOnly: true);
        image.Read(0, seen);

        Assert.True(disk.AsSpan().SequenceEqual(seen));
        Assert.False(image.Describe().IsDirty);
        Assert.Equal("streamOptimized", image.Describe().Subformat);
        Assert.True(image.Check(repair: false).IsClean);
        Assert.InRange(new FileInfo(path).Length, 1, disk.Length / 2);
    }

    [QemuImgFact]
    public void Image_WrittenByUs_IsReadByQemu()
    {
        byte[] disk = SomeDisk(seed: 2);
        string path = WriteStream(disk);

        QemuImg.Check("vmdk", path);
        QemuImg.Compare("vmdk", path, _folder.WriteRaw(disk));
    }

    [QemuImgFact]
    public void Image_CreatedAndNeverWritten_IsReadByQemu()
    {
        string path = _folder.PathOf("empty.vmdk");
        VmdkImage.Create(path, 1 << 20, Stream);

        QemuImg.Check("vmdk", path);
        QemuImg.Compare("vmdk", path, _folder.WriteRaw(new byte[1 << 20]));
    }

    [QemuImgFact]
    public void Image_ConvertedByQemu_IsReadByUs()
    {
        byte[] disk = SomeDisk(seed: 3);
        string path = _folder.PathOf("foreign.vmdk");
        QemuImg.Run("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", _folder.WriteRaw(disk), path);
        byte[] seen = new byte[disk.Length];

        using VmdkImage image = VmdkImage.Open(path, readOnly: true);
        image.Read(0, seen);

        Assert.Equal(DiskSize / 512, image.Sectors);
        Assert.True(disk.AsSpan().SequenceEqual(seen));
    }

    [Fact]
    public void Write_BeforeTheEnd_IsRefusedWithARemedy()
    {
        string path = _folder.PathOf("disk.vmdk");
        VmdkImage.Create(path, DiskSize, Stream);
        byte[] sector = [.. Enumerable.Repeat((byte)1, 512)];
        using VmdkImage image = VmdkImage.Open(path);
        image.Write(1 << 20, sector);

        DiskImageException error = Assert.Throws<DiskImageException>(() => image.Write(0, sector));

        Assert.Contains("monolithicSparse", error.Message, StringComparison.Ordinal);
        image.Write((1 << 20) + 512, sector);
        image.Write(0, new byte[512]);
    }

    [Fact]
    public void Open_AFinishedStreamForWriting_IsRefused()
    {
        string path = WriteStream(SomeDisk(seed: 4));

        Assert.Throws<DiskImageException>(() => VmdkImage.Open(path));
    }

    [Fact]
    public void Stream_WhenItsWriterStops_HoldsWhatWasFlushedAndCanBeContinued()
    {
        const int Sectors = 2000;
        Random random = new(6);
        string path = _folder.PathOf("disk.vmdk");
        string pristine = _folder.PathOf("pristine.vmdk");
        VmdkImage.Create(path, Sectors * SectorHistory.SectorSize, Stream);
        File.Copy(path, pristine);
        SectorHistory history = new(Sectors);
        using RecordingFile file = new(path);
        using (VmdkImage image = VmdkImage.Open(file))
        {
            for (int sector = 0; sector < Sectors - 100; sector += 1 + random.Next(60))
            {
                history.Write(image, file.EventCount, sector, 1 + random.Next(20));
                if (random.Next(4) == 0)
                {
                    history.Flush(image, () => file.EventCount);
                }
            }
        }

        for (int stop = 0; stop < 2 * TestEffort.Stops; stop++)
        {
            bool hostStops = stop % 3 != 0;
            int events = hostStops ? file.EventBeforeBarrier(random) : random.Next(file.EventCount + 1);
            string stopped = _folder.PathOf("stopped.vmdk");
            file.Rebuild(pristine, stopped, events, hostStops ? random : null);

            using (VmdkImage image = VmdkImage.Open(stopped, readOnly: true))
            {
                history.ExpectPossible(image, events, string.Create(CultureInfo.InvariantCulture, $"after {events} events"));
            }

            ExpectContinues(stopped, Sectors);
        }
    }

    [Fact]
    public void Open_AStreamWithChangedMetadata_WorksOrIsRefused()
    {
        string path = _folder.PathOf("hostile.vmdk");
        VmdkImage.Create(path, 1 << 20, Stream);
        using (VmdkImage image = VmdkImage.Open(path))
        {
            image.Write(0, [.. Enumerable.Repeat((byte)7, 200 << 10)]);
        }

        (int opened, int refused) = new HostileImage(path, VmdkImage.Open).Run(TestEffort.Changes, seed: 12);

        Assert.InRange(opened, TestEffort.Changes / 100, TestEffort.Changes);
        Assert.InRange(refused, TestEffort.Changes / 100, TestEffort.Changes);
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>The last sectors are never written before the stop, so that they can follow whatever arrived.</summary>
    private static void ExpectContinues(string path, int sectors)
    {
        byte[] before = new byte[sectors * SectorHistory.SectorSize];
        byte[] after = new byte[before.Length];
        byte[] mark = [.. Enumerable.Repeat((byte)0xEE, SectorHistory.SectorSize)];
        try
        {
            using VmdkImage image = VmdkImage.Open(new QuietFile(path, readOnly: false));
            image.Read(0, before);
            image.Write(before.Length - mark.Length, mark);
            mark.CopyTo(before, before.Length - mark.Length);
        }
        catch (DiskImageException error) when (error.Message.Contains("finished", StringComparison.Ordinal))
        {
            return;
        }

        using VmdkImage finished = VmdkImage.Open(path, readOnly: true);
        finished.Read(0, after);
        Assert.True(before.AsSpan().SequenceEqual(after));
        Assert.True(finished.Check(repair: false).IsClean);
    }

    /// <returns>Runs of text, noise and nothing, so that grains of every kind occur.</returns>
    private static byte[] SomeDisk(int seed)
    {
        Random random = new(seed);
        byte[] disk = new byte[DiskSize];
        for (int at = 0; at < disk.Length; at += 200_000)
        {
            Span<byte> run = disk.AsSpan(at, Math.Min(100_000, disk.Length - at));
            switch (random.Next(4))
            {
                case 0:
                    random.NextBytes(run);
                    break;
                case 1:
                    run.Fill((byte)random.Next(256));
                    break;
                default:
                    break;
            }
        }

        disk[^1] = 0x55;
        return disk;
    }

    private string WriteStream(byte[] disk)
    {
        string path = _folder.PathOf("disk.vmdk");
        VmdkImage.Create(path, disk.Length, Stream);
        using VmdkImage image = VmdkImage.Open(path);
        for (int at = 0; at < disk.Length; at += 72 << 10)
        {
            image.Write(at, disk.AsSpan(at, Math.Min(72 << 10, disk.Length - at)));
        }

        return path;
    }
}
