using System.Globalization;
using System.Text;
using Strata.Disks.Tests.Blocks;
using Strata.Disks.Vhdx;

namespace Strata.Disks.Tests.Vhdx;

/// <summary>The log of files that were not closed, ours and QEMU's.</summary>
public sealed class VhdxLogTests : IDisposable
{
    private const int DiskSize = 64 << 20;

    private readonly ImageFolder _folder = new();

    [Theory]
    [InlineData("123456789", 0xE3069283)]
    [InlineData("", 0)]
    public void Checksum_OfKnownText_IsCrc32C(string text, uint expected)
    {
        // The checksum field counts as zeros: a structure of zeros but for the text behind the field.
        byte[] bytes = [.. new byte[8], .. Encoding.ASCII.GetBytes(text)];
        VhdxChecksum.Put(bytes);
        byte[] changed = (byte[])bytes.Clone();
        changed[0] ^= 1;

        Assert.True(VhdxChecksum.IsRight(bytes));
        Assert.False(VhdxChecksum.IsRight(changed));
        Assert.Equal(expected, Crc32C(Encoding.ASCII.GetBytes(text)));
        Assert.Equal(Crc32C([0, 0, 0, 0, 0, 0, 0, 0, .. Encoding.ASCII.GetBytes(text)]), BitConverter.ToUInt32(bytes, 4));
    }

    [Fact]
    public void Open_AFileWhoseTableWasNotStored_ReplaysTheLog()
    {
        string path = StoppedBeforeTheTable();
        byte[] seen = new byte[512];

        using (VhdxImage image = VhdxImage.Open(path, readOnly: true))
        {
            Assert.True(image.Describe().IsDirty);
            image.Read(10 << 20, seen);
            Assert.Equal(0x77, seen[0]);
        }

        using (VhdxImage image = VhdxImage.Open(path))
        {
            Assert.False(image.Describe().IsDirty);
            image.Read(10 << 20, seen);
            Assert.Equal(0x77, seen[511]);
        }

        using VhdxImage closed = VhdxImage.Open(path, readOnly: true);
        Assert.False(closed.Describe().IsDirty);
        closed.Read(10 << 20, seen);
        Assert.Equal(0x77, seen[0]);
    }

    [Fact]
    public void Log_WhenTheHostStops_IsThereWheneverTheHeaderNamesIt()
    {
        Random random = new(8);
        string path = _folder.PathOf("disk.vhdx");
        string pristine = _folder.PathOf("pristine.vhdx");
        string stopped = _folder.PathOf("stopped.vhdx");
        VhdxImage.Create(path, DiskSize);
        File.Copy(path, pristine);
        using RecordingFile file = new(path);
        using (VhdxImage image = VhdxImage.Open(file))
        {
            for (int block = 0; block < DiskSize; block += 16 << 20)
            {
                image.Write(block, Enumerable.Repeat((byte)1, 512).ToArray());
                image.Flush();
            }
        }

        int named = 0;
        int[] stops = [.. file.Barriers.SelectMany(barrier => Enumerable.Repeat(barrier, 10))];
        foreach (int stop in stops)
        {
            file.Rebuild(pristine, stopped, stop, random);
            using QuietFile after = new(stopped, readOnly: true);
            VhdxHeader header = VhdxHeader.Read(after);
            named += header.LogGuid == Guid.Empty ? 0 : 1;
            Assert.Equal(header.LogGuid == Guid.Empty, VhdxLogReader.Read(after, header).IsEmpty);
        }

        Assert.InRange(named, stops.Length / 4, stops.Length - 1);
    }

    [QemuImgFact]
    public void Log_OfOurs_IsReplayedByQemu()
    {
        string path = StoppedBeforeTheTable();
        byte[] disk = new byte[DiskSize];
        disk.AsSpan(10 << 20, 512).Fill(0x77);

        QemuImg.Run("check", "-r", "all", "-f", "vhdx", path);

        QemuImg.Check("vhdx", path);
        QemuImg.Compare("vhdx", path, _folder.WriteRaw(disk));
    }

    [QemuImgFact]
    public void Log_OfQemu_IsReplayedByUs()
    {
        string path = _folder.PathOf("disk.vhdx");
        QemuImg.Run("create", "-f", "vhdx", path, DiskSize.ToString(CultureInfo.InvariantCulture));
        QemuImg.IoThatAborts("vhdx", path, ["write -P 17 1M 64k", "flush", "write -P 34 40M 64k", "flush"]);
        LeaveOnlyTheLog(path);
        byte[] seen = new byte[512];
        using VhdxImage image = VhdxImage.Open(path);

        image.Read(40 << 20, seen);
        Assert.Equal(34, seen[0]);
        image.Read(1 << 20, seen);
        Assert.Equal(17, seen[511]);
    }

    [Fact]
    public void Open_AFileWithAChangedLog_WorksOrIsRefused()
    {
        string path = StoppedBeforeTheTable();

        (int opened, int refused) = new HostileImage(path, VhdxImage.Open, VhdxSeal.Renew).Run(TestEffort.Changes, seed: 13);

        Assert.InRange(opened, TestEffort.Changes / 100, TestEffort.Changes);
        Assert.InRange(refused, TestEffort.Changes / 100, TestEffort.Changes);
    }

    public void Dispose() => _folder.Dispose();

    private static uint Crc32C(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
            }
        }

        return ~crc;
    }

    /// <summary>
    /// QEMU empties its log at once. This makes the file as a stop before that leaves it: the header names the last entry of the
    /// log, and the table that the entry tells of was not stored.
    /// </summary>
    private static void LeaveOnlyTheLog(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        int entry = file.AsSpan(0, 2 * VhdxLayout.OneMegabyte).LastIndexOf(VhdxLayout.LogEntrySignature);
        Assert.True(entry >= VhdxLayout.OneMegabyte);
        foreach (int header in new[] { VhdxLayout.Header1Offset, VhdxLayout.Header2Offset })
        {
            file.AsSpan(entry + VhdxLayout.EntryLogGuid, 16).CopyTo(file.AsSpan(header + VhdxLayout.HeaderLogGuid));
        }

        int region = file.AsSpan(VhdxLayout.RegionTable1Offset).IndexOf(VhdxLayout.BatRegion.ToByteArray()) + VhdxLayout.RegionTable1Offset;
        long table = BitConverter.ToInt64(file, region + VhdxLayout.RegionFileOffset);
        file.AsSpan((int)table, VhdxLayout.PageSize).Clear();
        VhdxSeal.Renew(file);
        File.WriteAllBytes(path, file);
    }

    /// <returns>A file whose log is durable and whose block allocation table is not.</returns>
    private string StoppedBeforeTheTable()
    {
        string path = _folder.PathOf("disk.vhdx");
        string pristine = _folder.PathOf("pristine.vhdx");
        VhdxImage.Create(path, DiskSize);
        File.Copy(path, pristine);
        using (RecordingFile file = new(path))
        {
            int stop;
            using (VhdxImage image = VhdxImage.Open(file))
            {
                image.Write(10 << 20, Enumerable.Repeat((byte)0x77, 512).ToArray());
                image.Flush();

                // The last events are the table, the barrier of the log and that of the flush.
                stop = file.EventCount - 3;
            }

            file.Rebuild(pristine, path, stop, losses: null);
        }

        return path;
    }
}
