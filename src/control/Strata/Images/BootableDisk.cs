using System.Globalization;
using Strata.Disks;
using Strata.Disks.Partitions;

namespace Strata.Images;

/// <summary>
/// The disk of an image that firmware starts: a partition for the BIOS's boot loader, the EFI system partition, and the root file system,
/// which is last so that it can grow.
/// </summary>
internal static class BootableDisk
{
    private const int SectorSize = 512;
    private const long Megabyte = 1 << 20;
    private const long BiosStart = 1 * Megabyte, EfiStart = 2 * Megabyte, RootStart = 66 * Megabyte;

    /// <summary>
    /// What a root file system has: all of it is older than the boot loader's driver. Newer tools would add what that cannot read.
    /// </summary>
    private const string Features =
        """
        [defaults]
        base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
        default_mntopts = acl,user_xattr
        blocksize = 4096
        inode_size = 256
        inode_ratio = 16384
        [fs_types]
        ext4 = {
            features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
        }

        """;

    /// <summary>Makes the disk with an empty root file system; the file is sparse.</summary>
    /// <param name="size">Bytes.</param>
    public static async Task CreateAsync(string path, long size, CancellationToken cancellationToken)
    {
        long end = size - Megabyte; // the table's copy is behind it
        using (RawDisk disk = RawDisk.Create(path, size))
        {
            GptTable.Write(disk, Guid.NewGuid(),
            [
                Partition(GptPartition.BiosBoot, BiosStart, EfiStart, "BIOS boot"),
                Partition(GptPartition.EfiSystem, EfiStart, RootStart, "EFI system"),
                Partition(GptPartition.LinuxRoot, RootStart, end, "root"),
            ]);
        }

        string folder = Path.GetDirectoryName(path)!;
        string configuration = Path.Combine(folder, "mke2fs.conf");
        await File.WriteAllTextAsync(configuration, Features, cancellationToken).ConfigureAwait(false);
        string kilobytes = string.Create(CultureInfo.InvariantCulture, $"{(end - RootStart) >> 10}k");
        await HostTool.RunAsync(
            folder, "mke2fs",
            ["-q", "-F", "-t", "ext4", "-E", $"offset={Root},lazy_itable_init=0", "-J", "size=16", "-L", "debian", path, kilobytes],
            cancellationToken, ("MKE2FS_CONFIG", configuration)).ConfigureAwait(false);
    }

    /// <summary>Checks the root file system.</summary>
    /// <exception cref="StrataException">It is damaged.</exception>
    public static Task<string> CheckAsync(string path, CancellationToken cancellationToken) => HostTool.RunAsync(
        Path.GetDirectoryName(path)!, "e2fsck", ["-f", "-n", $"{path}?offset={Root}"], cancellationToken);

    private static string Root => RootStart.ToString(CultureInfo.InvariantCulture);

    private static GptPartition Partition(Guid type, long start, long end, string name) =>
        new(type, Guid.NewGuid(), start / SectorSize, (end - start) / SectorSize, name);
}
