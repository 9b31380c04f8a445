using System.Globalization;
using Strata.Disks.Tests.Blocks;
using Strata.Disks.Vhdx;

namespace Strata.Disks.Tests.Vhdx;

/// <summary>
/// Images with the block sizes that qemu-img picks by the disk's size. They decide where the bitmaps' entries are in the table.
/// </summary>
public sealed class VhdxBlockSizeTests : IDisposable
{
    private readonly ImageFolder _folder = new();

    // The block size 0 leaves the choice to qemu-img: 16 MiB for 5 GiB, 32 MiB for 101 GiB.
    [QemuImgTheory]
    [InlineData(5L << 30, "8M")]
    [InlineData(5L << 30, "0")]
    [InlineData(101L << 30, "0")]
    public void Image_OfQemuWithABlockSize_IsReadByUs(long size, string blockSize)
    {
        string path = _folder.PathOf("disk.vhdx");
        QemuImg.Run("create", "-f", "vhdx", "-o", $"block_size={blockSize}", path, size.ToString(CultureInfo.InvariantCulture));
        long last = size - (1 << 20);

        // A chunk covers 4 GiB with each of these sizes: what follows lies behind a bitmap's entry in the table.
        QemuImg.Io("vhdx", path, [$"write -P 17 {(4L << 30) - 512} 1k", $"write -P 34 {last} 64k"]);
        byte[] seen = new byte[1024];
        using VhdxImage image = VhdxImage.Open(path, readOnly: true);

        image.Read((4L << 30) - 512, seen);
        Assert.All(seen, value => Assert.Equal(17, value));
        image.Read(last, seen);
        Assert.All(seen, value => Assert.Equal(34, value));
        image.Read(last - 1024, seen);
        Assert.All(seen, value => Assert.Equal(0, value));
    }

    public void Dispose() => _folder.Dispose();
}
