namespace Strata.Images;

/// <summary>
/// The debian image as a disk that starts by itself: partitions, GRUB for BIOS and UEFI, and Debian's kernel with a driver for everything,
/// so that it runs under any monitor and on IDE, SATA, NVMe and virtio.
/// </summary>
public sealed class DebianBootable : GuestImage
{
    public const string Name = "debian-bootable";

    internal const string DiskFile = "debian-bootable.img";

    /// <summary>Raised when the image is built differently: an older one in a cache is made again.</summary>
    private const string Recipe = "1";

    /// <param name="cache">Where it is kept, or null for the user's cache.</param>
    public DebianBootable(ImageCache? cache = null)
        : base(cache ?? new ImageCache(), Name, Recipe, DiskFile, DebianImage.PackagesFile)
    {
    }

    public override string Description => "the debian image as a disk that firmware starts";

    /// <remarks>systemd, getty and login each flush the terminal.</remarks>
    /// <inheritdoc/>
    public override bool DropsTypedAhead => true;

    /// <summary>Path of the disk, a raw image, for other uses of it.</summary>
    public string DiskPath => PathOf(DiskFile);

    /// <inheritdoc/>
    /// <remarks>
    /// The image stays as it is: what the guest writes is thrown away at the machine's end. Only the default setup is accepted: nothing but
    /// the disk reaches the system, so it is told by <see cref="MachineSpec.CloudInit"/> where it has cloud-init.
    /// </remarks>
    public override MachineSpec CreateSpec(GuestSetup setup)
    {
        ArgumentNullException.ThrowIfNull(setup);
        if (setup != GuestSetup.Default)
        {
            throw new StrataException(
                StrataError.BadInput,
                $"{Name} starts from its disk alone and takes no host name, time zone or SSH key; use {DebianImage.Name}, or "
                + "--cloud-init.");
        }

        return new MachineSpec
        {
            Disks = [new DiskSpec { Path = DiskPath, Format = "raw", Snapshot = true }],
            ImageFolder = Folder,
            Sockets = true,
            Balloon = true,
        };
    }

    private protected override Task BuildIntoAsync(string staging, IProgress<string>? progress, CancellationToken cancellationToken) =>
        new DebianBuilder(staging, progress, isBootable: true).BuildAsync(cancellationToken);
}
