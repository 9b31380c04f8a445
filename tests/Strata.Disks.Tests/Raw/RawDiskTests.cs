using Strata.Disks.Tests.Harness;

namespace Strata.Disks.Tests.Raw;

public sealed class RawDiskTests : IDisposable
{
    private const int DiskSize = 8 << 20;
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Operations_Random_AreThoseOfAPlainFile()
    {
        string path = _folder.PathOf("disk.raw");
        DiskModel model = new(DiskSize);
        Random random = new(3);
        using (DiskImage disk = RawDisk.Create(path, DiskSize))
        {
            for (int i = 0; i < 300; i++)
            {
                model.Step(disk, random);
            }
        }

        Assert.Equal(model.Bytes, File.ReadAllBytes(path));
    }

    [Fact]
    public void Discard_OfData_GivesTheSpaceBack()
    {
        string path = _folder.PathOf("disk.raw");
        using DiskImage disk = RawDisk.Create(path, DiskSize);
        disk.Write(0, Enumerable.Repeat((byte)1, 2 << 20).ToArray());
        disk.Flush();
        long before = Allocated(path, disk);

        disk.Discard(1 << 20, 1 << 20);

        Assert.InRange(before, 2 << 20, long.MaxValue);
        Assert.InRange(Allocated(path, disk), 1 << 20, (1 << 20) + 65_536);
        Assert.Equal(DiskSize, new FileInfo(path).Length);
    }

    /// <summary>Opening a pipe would wait for a writer, for ever.</summary>
    [Fact]
    public void Open_APipe_IsRefusedAtOnce()
    {
        string path = _folder.PathOf("pipe");
        using System.Diagnostics.Process process = System.Diagnostics.Process.Start("mkfifo", [path]);
        process.WaitForExit();

        DiskImageException error = Assert.Throws<DiskImageException>(() => DiskImages.Open(path, new DiskOpenOptions()));

        Assert.Contains("neither a file nor a block device", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "is empty")]
    [InlineData(1000, "cut off")]
    public void Open_AFileOfNoSectors_SaysWhy(int size, string why)
    {
        string path = _folder.PathOf("disk.raw");
        File.WriteAllBytes(path, new byte[size]);

        DiskImageException error = Assert.Throws<DiskImageException>(() => DiskImages.Open(path, new DiskOpenOptions()));

        Assert.Contains(why, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Map_HolesAndData_FindsWhereTheyMeet()
    {
        using DiskImage disk = RawDisk.Create(_folder.PathOf("disk.raw"), DiskSize);
        disk.Write(1 << 20, Enumerable.Repeat((byte)1, 1 << 20).ToArray());

        Assert.Equal(new DiskExtent(1 << 20, DiskExtentKind.Zero), disk.Map(0, DiskSize));
        Assert.Equal(new DiskExtent(1 << 20, DiskExtentKind.Data), disk.Map(1 << 20, 4 << 20));
        Assert.Equal(new DiskExtent(6 << 20, DiskExtentKind.Zero), disk.Map(2 << 20, 6 << 20));
    }

    [Theory]
    [InlineData(DiskSize, 512)]
    [InlineData(DiskSize - 512, 1024)]
    public void Access_BehindTheEnd_IsRefused(long offset, int length)
    {
        using DiskImage disk = RawDisk.Create(_folder.PathOf("disk.raw"), DiskSize);

        Assert.Throws<DiskImageException>(() => disk.Read(offset, new byte[length]));
        Assert.Throws<DiskImageException>(() => disk.Write(offset, new byte[length]));
    }

    [Fact]
    public void Create_FileThatExists_IsRefusedUnlessItMayBeReplaced()
    {
        string path = _folder.Write("disk.raw", "precious"u8);

        Assert.Contains(
            "exists already", Assert.Throws<DiskImageException>(() => RawDisk.Create(path, DiskSize)).Message, StringComparison.Ordinal);
        Assert.Equal("precious"u8.ToArray(), File.ReadAllBytes(path));
        RawDisk.Create(path, DiskSize, overwrite: true).Dispose();
        Assert.Equal(DiskSize, new FileInfo(path).Length);
    }

    [Fact]
    public void Create_OptionsThatRawDisksDoNotHave_AreRefused()
    {
        string path = _folder.PathOf("disk.raw");

        Assert.All(
            [
                new DiskCreateOptions { Size = DiskSize, BackingFile = "base.raw" },
                new DiskCreateOptions { Size = DiskSize, ClusterSize = 4096 },
                new DiskCreateOptions { Size = DiskSize, Subformat = "fixed" },
                new DiskCreateOptions { Size = DiskSize, LazyRefcounts = true },
            ],
            options => Assert.Contains(
                "have no", Assert.Throws<DiskImageException>(() => DiskImages.Create(path, "raw", options)).Message,
                StringComparison.Ordinal));
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void Create_OverAnImageInUse_IsRefused()
    {
        string path = _folder.PathOf("disk.raw");
        using DiskImage disk = RawDisk.Create(path, DiskSize);

        Assert.Throws<DiskImageException>(
            () => DiskImages.Create(path, "raw", new DiskCreateOptions { Size = DiskSize, Overwrite = true }));
        Assert.Throws<DiskImageException>(
            () => DiskImages.Create(path, "qcow2", new DiskCreateOptions { Size = DiskSize, Overwrite = true }));
        Assert.Equal(DiskSize, new FileInfo(path).Length);
    }

    [Fact]
    public void Open_DiskThatIsWrittenElsewhere_IsRefused()
    {
        string path = _folder.PathOf("disk.raw");
        using DiskImage disk = RawDisk.Create(path, DiskSize);

        Assert.Contains(
            path, Assert.Throws<DiskImageException>(() => RawDisk.Open(path, readOnly: true)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Resize_LargerAndSmaller_ChangesTheFile()
    {
        string path = _folder.PathOf("disk.raw");
        using DiskImage disk = RawDisk.Create(path, DiskSize);

        disk.Resize(2 * DiskSize);
        Assert.Equal(2 * DiskSize / 512, disk.Sectors);
        disk.Resize(512);

        Assert.Equal(512, new FileInfo(path).Length);
        Assert.Throws<DiskImageException>(() => disk.Resize(100));
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>Bytes of data that the file system finds in the file.</summary>
    private static long Allocated(string path, DiskImage disk)
    {
        Assert.True(File.Exists(path));
        long sum = 0;
        for (long offset = 0; offset < disk.Sectors * 512;)
        {
            DiskExtent extent = disk.Map(offset, (disk.Sectors * 512) - offset);
            sum += extent.Kind == DiskExtentKind.Data ? extent.Length : 0;
            offset += extent.Length;
        }

        return sum;
    }
}
