using System.Globalization;
using Strata.Disks.Tests.Blocks;
using Strata.Disks.Vmdk;

namespace Strata.Disks.Tests.Vmdk;

/// <summary>Descriptor files, which name other files and come from anybody.</summary>
public sealed class VmdkDescriptorTests : IDisposable
{
    private readonly ImageFolder _folder = new();

    [Theory]
    [InlineData("/etc/hostname")]
    [InlineData("../secret.img")]
    [InlineData("sub/secret.img")]
    [InlineData("..\\secret.img")]
    [InlineData("..")]
    [InlineData("C:secret.img")]
    public void Open_ADescriptorThatNamesAFileElsewhere_IsRefused(string extent)
    {
        string path = Describe($"RW 8 FLAT \"{extent}\" 0");

        DiskImageException error = Assert.Throws<DiskImageException>(() => VmdkImage.Open(path, readOnly: true));

        Assert.Contains("folder", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_ADescriptorWhoseExtentIsASymbolicLink_IsRefused()
    {
        File.WriteAllBytes(_folder.PathOf("real.img"), new byte[4096]);
        File.CreateSymbolicLink(_folder.PathOf("link.img"), _folder.PathOf("real.img"));
        string path = Describe("RW 8 FLAT \"link.img\" 0");

        DiskImageException error = Assert.Throws<DiskImageException>(() => VmdkImage.Open(path, readOnly: true));

        Assert.Contains("symbolic link", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("RW 8 FLAT \"disk.vmdk\" 0", "twice")]
    [InlineData("RW 8 FLAT \"a.img\" 1", "does not fit")]
    [InlineData("RW 9 FLAT \"a.img\" 0", "does not fit")]
    [InlineData("RW 0 FLAT \"a.img\" 0", "no sectors")]
    [InlineData("RW 99999999999999999999 FLAT \"a.img\" 0", "lacks")]
    [InlineData("RW 8 FLAT", "lacks")]
    [InlineData("RW 8 SPARSE \"a.img\"", "KDMV")]
    [InlineData("RW 8 SESPARSE \"a.img\"", "SESPARSE")]
    [InlineData("NOACCESS 8 FLAT \"a.img\" 0", "NOACCESS")]
    [InlineData("", "no extent")]
    [InlineData("RW 8 FLAT \"missing.img\" 0", "does not exist")]
    public void Open_ADescriptorWithAWrongExtent_SaysWhatIsWrong(string line, string expected)
    {
        File.WriteAllBytes(_folder.PathOf("a.img"), new byte[4096]);
        string path = Describe(line);

        DiskImageException error = Assert.Throws<DiskImageException>(() => VmdkImage.Open(path, readOnly: true));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_ADescriptorOfASnapshot_IsRefusedWithARemedy()
    {
        string path = Describe("RW 8 ZERO");
        File.WriteAllText(path, File.ReadAllText(path).Replace("parentCID=ffffffff", "parentCID=12345678", StringComparison.Ordinal));

        DiskImageException error = Assert.Throws<DiskImageException>(() => VmdkImage.Open(path, readOnly: true));

        Assert.Contains("merge", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ReadAndWrite_OfSeveralExtents_CrossTheirBorders()
    {
        File.WriteAllBytes(_folder.PathOf("a.img"), new byte[8192]);
        File.WriteAllBytes(_folder.PathOf("b.img"), new byte[4096]);
        string path = Describe("RW 8 FLAT \"a.img\" 8\nRW 4 ZERO\nRW 8 FLAT \"b.img\" 0");
        byte[] written = [.. Enumerable.Repeat((byte)1, 2048), .. new byte[2048], .. Enumerable.Repeat((byte)2, 1024)];
        byte[] seen = new byte[written.Length];

        using (VmdkImage image = VmdkImage.Open(path))
        {
            image.Write(4 * 512, written);
        }

        using VmdkImage reopened = VmdkImage.Open(path, readOnly: true);
        reopened.Read(4 * 512, seen);

        Assert.Equal(20, reopened.Sectors);
        Assert.Equal(written, seen);
        Assert.Equal([0, 1], File.ReadAllBytes(_folder.PathOf("a.img"))[6143..6145]);
        Assert.Equal(2, File.ReadAllBytes(_folder.PathOf("b.img"))[1023]);
        Assert.Equal(DiskExtentKind.Zero, reopened.Map(8 * 512, 12 * 512).Kind);
    }

    [Fact]
    public void Write_TheFirstOne_ChangesTheContentIdentifier()
    {
        string path = _folder.PathOf("disk.vmdk");
        VmdkImage.Create(path, 1 << 20, new VmdkOptions { Subformat = VmdkSubformat.MonolithicFlat });
        string before = File.ReadAllText(path);

        using (VmdkImage image = VmdkImage.Open(path))
        {
            image.Write(0, new byte[512]);
        }

        string after = File.ReadAllText(path);
        Assert.NotEqual(before, after);
        Assert.Equal(before.Length, after.Length);
        Assert.Equal(before[..before.IndexOf("CID=", StringComparison.Ordinal)], after[..before.IndexOf("CID=", StringComparison.Ordinal)]);
    }

    [QemuImgTheory]
    [InlineData("twoGbMaxExtentSparse")]
    [InlineData("twoGbMaxExtentFlat")]
    public void Image_SplitByQemu_IsReadAndWrittenByUs(string subformat)
    {
        const int Size = 5 << 20;
        string path = _folder.PathOf("disk.vmdk");
        byte[] disk = new byte[Size];
        new Random(3).NextBytes(disk.AsSpan(1 << 20, 100_000));
        QemuImg.Run("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=" + subformat, _folder.WriteRaw(disk), path);
        byte[] sector = [.. Enumerable.Repeat((byte)9, 512)];
        byte[] seen = new byte[Size];

        using (VmdkImage image = VmdkImage.Open(path))
        {
            image.Read(0, seen);
            image.Write(3 << 20, sector);
        }

        Assert.True(disk.AsSpan().SequenceEqual(seen));
        sector.CopyTo(disk, 3 << 20);
        QemuImg.Check("vmdk", path);
        QemuImg.Compare("vmdk", path, _folder.WriteRaw(disk));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    public void Write_IntoAGrainOnTheDescriptor_IsRefused(uint sector)
    {
        string path = _folder.PathOf("disk.vmdk");
        VmdkImage.Create(path, 1 << 20);
        VmdkSparseHeader header = VmdkSparseHeader.ForSparse(2048);
        using (FileStream stream = new(path, FileMode.Open))
        {
            stream.Position = ((long)header.GdOffset + header.DirectorySectors) * 512;
            stream.Write(BitConverter.GetBytes(sector));
        }

        byte[] before = File.ReadAllBytes(path);
        using (VmdkImage image = VmdkImage.Open(path))
        {
            Assert.Throws<DiskImageException>(() => image.Write(0, Enumerable.Repeat((byte)1, 512).ToArray()));
            Assert.Throws<DiskImageException>(() => image.WriteZeros(0, 512));
            Assert.Throws<DiskImageException>(() => image.Discard(0, 512));
        }

        Assert.Equal(before, File.ReadAllBytes(path));
    }

    [Fact]
    public void Check_WithARedundantTableThatDiffers_RepairsTheCopy()
    {
        string path = _folder.PathOf("disk.vmdk");
        VmdkImage.Create(path, 1 << 20);
        using (VmdkImage image = VmdkImage.Open(path))
        {
            image.Write(0, [.. Enumerable.Repeat((byte)9, 512)]);
        }

        VmdkSparseHeader header = VmdkSparseHeader.ForSparse(2048);
        using (FileStream stream = new(path, FileMode.Open))
        {
            stream.Position = (header.RgdOffset + header.DirectorySectors) * 512;
            stream.Write(new byte[4]);
        }

        using (VmdkImage image = VmdkImage.Open(path))
        {
            string error = Assert.Single(image.Check(repair: false).Errors);
            Assert.Contains("redundant", error, StringComparison.Ordinal);
            Assert.Single(image.Check(repair: true).Repairs);
        }

        using VmdkImage repaired = VmdkImage.Open(path, readOnly: true);
        Assert.True(repaired.Check(repair: false).IsClean);
    }

    public void Dispose() => _folder.Dispose();

    private string Describe(string extents)
    {
        string path = _folder.PathOf("disk.vmdk");
        File.WriteAllText(path, string.Create(CultureInfo.InvariantCulture, $"""
            # Disk DescriptorFile
            version=1
            CID=12345678
            parentCID=ffffffff
            createType="custom"

            # Extent description
            {extents}

            ddb.adapterType = "ide"
            """));
        return path;
    }
}
