using System.Diagnostics;
using Strata.Disks.Vmdk;

namespace Strata.Disks.Tests.Blocks;

/// <summary>
/// A second program that reads our images: 7-Zip, which extracts the disk of an image. Skipped where it is not installed.
/// </summary>
public sealed class SevenZipTests : IDisposable
{
    private const int DiskSize = (20 << 20) + 1024;

    private readonly ImageFolder _folder = new();

    [SevenZipTheory]
    [InlineData("vdi-dynamic", "vdi")]
    [InlineData("vdi-fixed", "vdi")]
    [InlineData("vhd-dynamic", "vhd")]
    [InlineData("vhd-fixed", "vhd")]
    [InlineData("vmdk-sparse", "vmdk")]
    [InlineData("vhdx-dynamic", "vhdx")]
    [InlineData("vhdx-fixed", "vhdx")]
    public void Image_WrittenByUs_IsExtractedBySevenZip(string name, string extension)
    {
        ImageKind kind = ImageKind.Named(name);
        string path = _folder.PathOf("disk." + extension);
        kind.Create(path, DiskSize);
        PlainDisk disk = new(DiskSize, new Random(21));
        using (DiskImage image = kind.Open(path, false))
        {
            for (int step = 0; step < 30; step++)
            {
                disk.Step(image);
            }
        }

        Assert.True(disk.Bytes.AsSpan().SequenceEqual(Extract(path, extension)));
    }

    [SevenZipTheory]
    [InlineData(64 << 10)]
    [InlineData(24 << 10)]
    public void Stream_WrittenByUs_IsExtractedBySevenZip(int pieces)
    {
        string path = _folder.PathOf("disk.vmdk");
        byte[] disk = new byte[DiskSize];
        new Random(22).NextBytes(disk.AsSpan(5 << 20, 3 << 20));
        VmdkImage.Create(path, DiskSize, new VmdkOptions { Subformat = VmdkSubformat.StreamOptimized });
        using (VmdkImage image = VmdkImage.Open(path))
        {
            for (int at = 0; at < DiskSize; at += pieces)
            {
                image.Write(at, disk.AsSpan(at, Math.Min(pieces, DiskSize - at)));
            }
        }

        Assert.True(disk.AsSpan().SequenceEqual(Extract(path, "vmdk")));
    }

    public void Dispose() => _folder.Dispose();

    private byte[] Extract(string path, string type)
    {
        string target = _folder.PathOf("extracted");
        ProcessStartInfo start = new("7z", ["x", "-y", "-t" + type, "-o" + target, path]) { RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)), "7z did not end.");
        Assert.True(process.ExitCode == 0, output);
        return File.ReadAllBytes(Assert.Single(Directory.GetFiles(target)));
    }

    private sealed class SevenZipTheoryAttribute : TheoryAttribute
    {
        public SevenZipTheoryAttribute() => Skip = QemuImg.Find("7z") is not null ? null : "7z is not installed (Debian: p7zip-full).";
    }
}
