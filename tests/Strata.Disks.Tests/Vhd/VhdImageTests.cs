using System.Buffers.Binary;
using Strata.Disks.Tests.Blocks;
using Strata.Disks.Vhd;

namespace Strata.Disks.Tests.Vhd;

/// <summary>What other programs' VHD images hold that ours do not.</summary>
public sealed class VhdImageTests : IDisposable
{
    private const int DiskSize = 4 << 20;

    private readonly ImageFolder _folder = new();

    [Fact]
    public void Read_SectorsWhoseBitmapBitIsClear_AreZeros()
    {
        string path = ImageWithHalfABitmap();
        byte[] seen = new byte[2 * 512];

        using VhdImage image = VhdImage.Open(path, readOnly: true);
        image.Read(7 * 512, seen);

        Assert.Equal(0xAB, seen[0]);
        Assert.Equal(0, seen[512]);
    }

    [Fact]
    public void Write_IntoABlockWhoseBitmapIsNotFull_KeepsTheOtherSectorsZero()
    {
        string path = ImageWithHalfABitmap();
        byte[] written = [.. Enumerable.Repeat((byte)0xCD, 512)];
        byte[] seen = new byte[4 * 512];

        using (VhdImage image = VhdImage.Open(path))
        {
            image.Write(9 * 512, written);
        }

        using VhdImage reopened = VhdImage.Open(path, readOnly: true);
        reopened.Read(7 * 512, seen);

        Assert.Equal([0xAB, 0, 0xCD, 0], new[] { seen[0], seen[512], seen[1024], seen[1536] });
    }

    [Fact]
    public void Open_WithoutTheFooterAtTheEnd_UsesTheCopyAndMendsIt()
    {
        string path = _folder.PathOf("disk.vhd");
        VhdImage.Create(path, DiskSize);
        using (FileStream stream = new(path, FileMode.Open))
        {
            stream.SetLength(stream.Length - 512);
        }

        using (VhdImage image = VhdImage.Open(path))
        {
            Assert.True(image.Describe().IsDirty);
        }

        using VhdImage mended = VhdImage.Open(path, readOnly: true);
        Assert.False(mended.Describe().IsDirty);
        Assert.Equal(DiskSize / 512, mended.Sectors);
    }

    [Fact]
    public void Open_DifferencingImage_IsRefusedWithARemedy()
    {
        string path = _folder.PathOf("disk.vhd");
        VhdImage.Create(path, DiskSize);
        byte[] bytes = File.ReadAllBytes(path);
        foreach (int start in new[] { 0, bytes.Length - VhdLayout.FooterLength })
        {
            Span<byte> footer = bytes.AsSpan(start, VhdLayout.FooterLength);
            BinaryPrimitives.WriteUInt32BigEndian(footer[VhdLayout.DiskType..], VhdLayout.TypeDifferencing);
            VhdChecksum.Put(footer, VhdLayout.FooterChecksum);
        }

        File.WriteAllBytes(path, bytes);

        DiskImageException error = Assert.Throws<DiskImageException>(() => VhdImage.Open(path));

        Assert.Contains("merge", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1L << 20, 30, 4, 17)]
    [InlineData(100L << 20, 1003, 12, 17)]
    [InlineData(200L << 20, 825, 16, 31)]
    [InlineData(400L << 20, 812, 16, 63)]
    [InlineData(10L << 30, 20805, 16, 63)]
    [InlineData(2040L << 30, 65535, 16, 255)]
    public void Geometry_OfASize_FollowsTheSpecification(long size, int cylinders, int heads, int sectors)
    {
        VhdGeometry geometry = VhdGeometry.ForSectors(size / 512);

        Assert.Equal(new VhdGeometry((ushort)cylinders, (byte)heads, (byte)sectors), geometry);
    }

    public void Dispose() => _folder.Dispose();

    /// <returns>A block of 0xAB of which only the first eight sectors count.</returns>
    private string ImageWithHalfABitmap()
    {
        string path = _folder.PathOf("disk.vhd");
        VhdImage.Create(path, DiskSize);
        using (VhdImage image = VhdImage.Open(path))
        {
            image.Write(0, Enumerable.Repeat((byte)0xAB, 64 * 512).ToArray());
        }

        byte[] bytes = File.ReadAllBytes(path);
        int bitmap = (int)BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(VhdLayout.FooterLength + VhdLayout.DynamicHeaderLength)) * 512;
        bytes.AsSpan(bitmap, 512).Clear();
        bytes[bitmap] = 0xFF;
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
