using System.Buffers.Binary;
using Strata.Disks.Vdi;

namespace Strata.Disks.Tests.Blocks;

/// <summary>Images that lost their end or refer to the same place twice.</summary>
public sealed class DamagedImageTests : IDisposable
{
    private const int DiskSize = 64 << 20;
    private const int Lost = 48 << 20;
    private static readonly byte[] Sector = [.. Enumerable.Repeat((byte)0x5A, 512)];

    private readonly ImageFolder _folder = new();

    [Theory]
    [InlineData("vdi-dynamic")]
    [InlineData("vhd-dynamic")]
    [InlineData("vmdk-sparse")]
    [InlineData("vhdx-dynamic")]
    public void Image_WhoseLastBlockWasCutOff_KeepsTheOthersAndIsRepaired(string name)
    {
        ImageKind kind = ImageKind.Named(name);
        string path = WithItsLastBlockCutOff(kind);
        byte[] seen = new byte[512];

        using (DiskImage image = kind.Open(path, false))
        {
            image.Read(0, seen);
            Assert.Equal(Sector, seen);
            Assert.Contains(
                "past the end", Assert.Throws<DiskImageException>(() => image.Read(Lost, seen)).Message, StringComparison.Ordinal);
            Assert.Throws<DiskImageException>(() => image.Write(Lost, Sector));
            Assert.Single(image.Check(repair: false).Errors);

            Assert.NotEmpty(image.Check(repair: true).Repairs);

            image.Read(Lost, seen);
            Assert.Equal(new byte[512], seen);
            image.Write(Lost, Sector);
        }

        using DiskImage repaired = kind.Open(path, true);
        repaired.Read(Lost, seen);
        Assert.Equal(Sector, seen);
        Assert.Empty(repaired.Check(repair: false).Errors);
        if (QemuImg.IsInstalled)
        {
            QemuImg.Check(kind.Format, path);
        }
    }

    [Theory]
    [InlineData("vdi-dynamic")]
    [InlineData("vhd-dynamic")]
    [InlineData("vhdx-dynamic")]
    public void Image_WithBytesBehindItsEnd_ReportsThemAndTakesThemUp(string name)
    {
        ImageKind kind = ImageKind.Named(name);
        string path = _folder.PathOf("disk.image");
        kind.Create(path, DiskSize);
        using (FileStream stream = new(path, FileMode.Append))
        {
            stream.Write([.. Enumerable.Repeat((byte)0xEE, 5 << 20)]);
        }

        byte[] seen = new byte[1024];
        using (DiskImage image = kind.Open(path, false))
        {
            Assert.InRange(image.Check(repair: false).LeakedBytes, 1 << 20, 5 << 20);
            image.Write(0, Sector);
        }

        using DiskImage reopened = kind.Open(path, true);
        reopened.Read(0, seen);
        Assert.Equal([.. Sector, .. new byte[512]], seen);
        Assert.True(reopened.Check(repair: false).IsClean);
    }

    [Fact]
    public void Check_OfTwoBlocksInOnePlace_ReportsThem()
    {
        string path = _folder.PathOf("disk.vdi");
        VdiImage.Create(path, DiskSize);
        using (VdiImage image = VdiImage.Open(path))
        {
            image.Write(0, Sector);
            image.Write(1 << 20, Sector);
        }

        byte[] entry = new byte[VdiLayout.EntrySize];
        using (FileStream stream = new(path, FileMode.Open))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(entry, 0);
            stream.Position = VdiHeader.ForNew(DiskSize, isFixed: false).MapOffset + VdiLayout.EntrySize;
            stream.Write(entry);
        }

        using VdiImage damaged = VdiImage.Open(path, readOnly: true);

        Assert.Equal("Block 1 lies on block 0.", Assert.Single(damaged.Check(repair: false).Errors));
    }

    public void Dispose() => _folder.Dispose();

    private string WithItsLastBlockCutOff(ImageKind kind)
    {
        string path = _folder.PathOf("disk.image");
        kind.Create(path, DiskSize);
        using (DiskImage image = kind.Open(path, false))
        {
            image.Write(0, Sector);
            image.Flush();
            image.Write(Lost, Sector);
        }

        using FileStream stream = new(path, FileMode.Open);
        stream.SetLength(stream.Length - (int)LastPart(kind, path));
        return path;
    }

    /// <returns>Bytes from the start of the last block to the end of the file.</returns>
    private static long LastPart(ImageKind kind, string path)
    {
        using DiskImage image = kind.Open(path, true);
        const int Footer = 512;
        return image.Describe().ClusterSize!.Value + (kind.Format == "vpc" ? Footer : 0);
    }
}
