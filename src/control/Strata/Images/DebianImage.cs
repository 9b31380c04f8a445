using Strata.Disks.Images;

namespace Strata.Images;

/// <summary>
/// A whole Debian system with systemd, apt and OpenSSH on an ext4 disk. It is put together from Debian's packages without root:
/// apt fetches them, and a machine of Strata's own installs them. The kernel is started directly and belongs to the image,
/// not to the system on the disk; its modules are there.
/// </summary>
public sealed class DebianImage : GuestImage
{
    public const string Name = "debian";

    internal const string KernelFile = "vmlinuz";
    internal const string InitrdFile = "initrd";
    internal const string DiskFile = "disk.img";

    /// <summary>Name and version of every package, a line each.</summary>
    internal const string PackagesFile = "packages";

    /// <summary>Raised when the image is built differently: an older one in a cache is made again.</summary>
    private const string Recipe = "10";

    /// <param name="cache">Where it is kept, or null for the user's cache.</param>
    public DebianImage(ImageCache? cache = null)
        : base(cache ?? new ImageCache(), Name, Recipe, KernelFile, InitrdFile, DiskFile, PackagesFile)
    {
    }

    public override string Description => "a whole Debian with systemd, apt and OpenSSH";

    /// <remarks>systemd, getty and login each flush the terminal.</remarks>
    /// <inheritdoc/>
    public override bool DropsTypedAhead => true;

    /// <summary>The command line that starts the system, without a setup.</summary>
    internal static string CommandLine => "console=ttyS0 quiet panic=-1";

    /// <inheritdoc/>
    /// <remarks>The image stays as it is: what the guest writes is thrown away at the machine's end.</remarks>
    public override MachineSpec CreateSpec(GuestSetup setup) => CreateSpec(setup, Folder) with
    {
        Disks = [DiskOf(Folder) with { Snapshot = true }],
        ImageFolder = Folder,
    };

    /// <summary>A machine whose disk is a copy of its own, which stays. The copy is made if it is not there yet.</summary>
    /// <param name="folder">Holds the copy, with the kernel that fits it; nothing in it depends on the cache.</param>
    /// <exception cref="StrataException">The folder cannot be written, or holds something else, or a machine that runs.</exception>
    public async Task<MachineSpec> CreateKeptSpecAsync(GuestSetup setup, string folder, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        folder = Path.GetFullPath(folder);
        if (!Directory.Exists(folder))
        {
            await CopyLockedAsync(folder, cancellationToken).ConfigureAwait(false);
        }

        string? missing = Array.Find([KernelFile, InitrdFile, DiskFile], file => !File.Exists(Path.Combine(folder, file)));
        if (missing is not null)
        {
            throw new StrataException(
                StrataError.BadInput, $"The folder {folder} holds no machine: there is no {missing} in it. Give another name.");
        }

        RefuseRunning(folder);
        return CreateSpec(setup, folder) with { Disks = [DiskOf(folder)] };
    }

    private protected override Task BuildIntoAsync(string staging, IProgress<string>? progress, CancellationToken cancellationToken) =>
        new DebianBuilder(staging, progress).BuildAsync(cancellationToken);

    private static MachineSpec CreateSpec(GuestSetup setup, string folder)
    {
        ArgumentNullException.ThrowIfNull(setup);
        return new MachineSpec
        {
            Image = Name,
            Kernel = Path.Combine(folder, KernelFile),
            Initrd = Path.Combine(folder, InitrdFile),
            CommandLine = CommandLine + setup.ToCommandLine(),
        };
    }

    /// <summary>The format is said: a guest that writes another format's header to its disk changes nothing.</summary>
    private static DiskSpec DiskOf(string folder) => new() { Path = Path.Combine(folder, DiskFile), Format = "raw" };

    /// <summary>Says so early and in the machine's own words. Its start is safe in any case: a disk that is written is locked.</summary>
    private static void RefuseRunning(string folder)
    {
        try
        {
            ImageFile.Open(Path.Combine(folder, DiskFile), readOnly: false).Dispose();
        }
        catch (DiskImageException error) when (error.IsInUse)
        {
            throw new StrataException(
                StrataError.BadInput,
                $"The machine kept in {folder} is in use: one that runs from it, or a program that copies it. Stop it (strata list names " +
                $"the machines that run), or give --keep another name. {error.Message}",
                error);
        }
        catch (DiskImageException error)
        {
            throw new StrataException(StrataError.BadInput, error.Message, error);
        }
    }

    /// <summary>
    /// Under the image's lock: nobody replaces the image between one file and the next, and of several processes that want the same
    /// folder one makes it.
    /// </summary>
    private async Task CopyLockedAsync(string folder, CancellationToken cancellationToken)
    {
        using IDisposable hold = await Cache.LockAsync(ImageName, progress: null, cancellationToken).ConfigureAwait(false);
        if (!Directory.Exists(folder))
        {
            await CopyAsync(folder, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task CopyAsync(string folder, CancellationToken cancellationToken)
    {
        string staging = $"{folder}.{Environment.ProcessId}.new";
        try
        {
            Directory.CreateDirectory(staging);
            string[] files = [.. new[] { KernelFile, InitrdFile, DiskFile, PackagesFile }.Select(PathOf)];
            await HostTool.RunAsync(
                staging, "cp", ["--reflink=auto", "--sparse=always", .. files, staging], cancellationToken).ConfigureAwait(false);
            Directory.Move(staging, folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StrataException(
                StrataError.Host,
                $"The machine cannot be kept in {folder}: {error.Message} Give --keep another name, or a folder that you may write to.",
                error);
        }
        finally
        {
            if (Directory.Exists(staging))
            {
                Directory.Delete(staging, recursive: true);
            }
        }
    }
}
