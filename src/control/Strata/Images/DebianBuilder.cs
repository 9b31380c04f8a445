using System.Text;

namespace Strata.Images;

/// <summary>
/// Makes the debian image in a folder: packages by apt, an initial RAM disk, an installation medium (an ext4 file system with the
/// packages and scripts), then a machine that installs from it, and a compact copy of the disk that comes out.
/// </summary>
/// <param name="folder">Receives the image's files.</param>
/// <param name="progress">Hears of each step.</param>
/// <param name="isBootable">The disk has partitions, boot loaders and a kernel of its own, with a driver for everything.</param>
internal sealed class DebianBuilder(string folder, IProgress<string>? progress, bool isBootable = false)
{
    private const long DiskSize = 4L << 30;
    private const ulong MachineMemory = 1UL << 30;

    /// <summary>A machine that installs for longer than this is taken for stuck.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(45);

    /// <summary>What dpkg and apt need to install the rest; usr-is-merged spares the package that converts old systems.</summary>
    private static readonly string[] Essential = ["?essential", "apt", "usr-is-merged"];

    private static readonly string[] Packages =
    [
        "systemd", "systemd-sysv", "systemd-resolved", "udev", "dbus", "netbase", "iproute2", "iputils-ping", "openssh-server",
        "ca-certificates", "curl", "procps", "kmod", "less", "nano", "tzdata", "e2fsprogs",
    ];

    /// <summary>What a system needs that starts by itself: boot loaders for BIOS and UEFI, and what makes its initial RAM disk.</summary>
    private static readonly string[] BootablePackages =
        ["linux-image-amd64", "initramfs-tools", "grub-pc-bin", "grub-efi-amd64-bin", "grub2-common", "dosfstools", "fdisk"];

    /// <summary>For the EFI system partition, while the system is installed.</summary>
    private static readonly string[] BootableModules = ["vfat", "nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"];

    /// <summary>Drivers that the system needs before it has its own; what they depend on is loaded before them.</summary>
    private static readonly string[] Modules = ["virtio_pci", "virtio_blk", "virtio_console", "virtio_rng"];

    /// <summary>Loaded where the host shares folders.</summary>
    private static readonly string[] ShareModules = ["virtiofs"];

    private readonly string _work = Path.Combine(folder, "work");

    /// <summary>Where kernel and initial RAM disk of the machine that installs are: a bootable image keeps its own on its disk.</summary>
    private string BootFolder => isBootable ? _work : folder;

    private string Medium => Path.Combine(_work, "medium");

    public async Task BuildAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Medium);
        progress?.Report("Fetching Debian's package lists");
        DebianPackages packages = await DebianPackages.OpenAsync(_work, cancellationToken).ConfigureAwait(false);
        BootPackages boot = await BootPackages.FetchAsync(packages, [], _work, progress, cancellationToken).ConfigureAwait(false);
        await FetchPackagesAsync(packages, cancellationToken).ConfigureAwait(false);
        progress?.Report("Making the installation medium");
        WriteInitrd(boot);
        File.Copy(boot.Kernel, Path.Combine(BootFolder, DebianImage.KernelFile));
        await PrepareMediumAsync(packages, boot, cancellationToken).ConfigureAwait(false);
        string medium = Path.Combine(_work, "medium.img");
        string disk = Path.Combine(_work, "disk.img");
        await ExtFileSystem.CreateFromFolderAsync(medium, Medium, cancellationToken).ConfigureAwait(false);
        if (isBootable)
        {
            await BootableDisk.CreateAsync(disk, DiskSize, cancellationToken).ConfigureAwait(false);
            await InstallAsync(disk, medium, cancellationToken).ConfigureAwait(false);
            await BootableDisk.CheckAsync(disk, cancellationToken).ConfigureAwait(false);
            File.Move(disk, Path.Combine(folder, DebianBootable.DiskFile));
        }
        else
        {
            await ExtFileSystem.CreateAsync(disk, "debian", DiskSize, cancellationToken).ConfigureAwait(false);
            await InstallAsync(disk, medium, cancellationToken).ConfigureAwait(false);
            progress?.Report("Compacting the disk");
            await ExtFileSystem.CompactAsync(disk, Path.Combine(folder, DebianImage.DiskFile), cancellationToken).ConfigureAwait(false);
        }

        Directory.Delete(_work, recursive: true);
    }

    /// <summary>The packages, those that must be unpacked first in a folder of their own.</summary>
    private async Task FetchPackagesAsync(DebianPackages packages, CancellationToken cancellationToken)
    {
        progress?.Report("Fetching the packages");
        string all = Path.Combine(Medium, "packages");
        string essential = Path.Combine(Medium, "essential");
        Directory.CreateDirectory(essential);
        IReadOnlyList<string> first = await packages.ResolveAsync(Essential, cancellationToken).ConfigureAwait(false);
        string[] wanted = [.. Essential, .. Packages, .. isBootable ? BootablePackages : []];
        await packages.FetchWithDependenciesAsync(wanted, all, cancellationToken).ConfigureAwait(false);
        Directory.Delete(Path.Combine(all, "partial"), recursive: true);
        File.Delete(Path.Combine(all, "lock"));
        string[] files = [.. Directory.GetFiles(all).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];
        StringBuilder names = new();
        foreach (string file in files)
        {
            names.Append(DescribePackage(file)).Append('\n');
        }

        foreach (string file in first)
        {
            File.Move(Path.Combine(all, file), Path.Combine(essential, file));
        }

        await File.WriteAllTextAsync(
            Path.Combine(folder, DebianImage.PackagesFile), names.ToString(), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Name and version from apt's file name, which is name_version_architecture.deb with a colon escaped.</summary>
    private static string DescribePackage(string file)
    {
        string[] parts = file.Split('_');
        return parts.Length == 3 ? $"{parts[0]} {parts[1].Replace("%3a", ":", StringComparison.Ordinal)}" : file;
    }

    private void WriteInitrd(BootPackages boot)
    {
        using FileStream output = File.Create(Path.Combine(BootFolder, DebianImage.InitrdFile));
        CpioWriter cpio = new(output);
        foreach (string path in (
            ReadOnlySpan<string>)["bin", "sbin", "usr", "usr/bin", "usr/sbin", "proc", "sys", "dev", "media", "root", "lib", "lib/modules"])
        {
            cpio.AddDirectory(path);
        }

        cpio.AddCharacterDevice("dev/console", 5, 1);
        cpio.AddFile("bin/busybox", File.ReadAllBytes(boot.Busybox), executable: true);
        cpio.AddLink("bin/sh", "busybox");
        HashSet<string> seen = [];
        AddModules(cpio, "modules", KernelModules.InLoadOrder(boot.Root, [.. Modules, .. isBootable ? BootableModules : []], seen));
        AddModules(cpio, "share-modules", KernelModules.InLoadOrder(boot.Root, ShareModules, seen));
        cpio.AddFile("init", DebianFiles.Read("init.sh"), executable: true);
        cpio.Finish();
    }

    /// <param name="list">The file that names them in the order in which they are loaded.</param>
    private static void AddModules(CpioWriter cpio, string list, List<(string Module, byte[] Content)> modules)
    {
        foreach ((string module, byte[] content) in modules)
        {
            cpio.AddFile($"lib/modules/{module}.ko", content, executable: false);
        }

        cpio.AddFile(list, Encoding.ASCII.GetBytes(string.Join('\n', modules.Select(module => module.Module)) + "\n"), executable: false);
    }

    private async Task PrepareMediumAsync(DebianPackages packages, BootPackages boot, CancellationToken cancellationToken)
    {
        DebianFiles.CopyTo(Medium);
        string agent = Path.Combine(Medium, "files", "usr", "lib", "strata", "agent");
        Directory.CreateDirectory(Path.GetDirectoryName(agent)!);
        await File.WriteAllTextAsync(agent, GuestAgent.Script, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<string> sources = await packages.DescribeSourcesAsync(cancellationToken).ConfigureAwait(false);
        await File.WriteAllTextAsync(
            Path.Combine(Medium, "sources.list"), string.Join('\n', sources) + "\n", cancellationToken).ConfigureAwait(false);
        await File.WriteAllTextAsync(Path.Combine(Medium, "release"), boot.Release + "\n", cancellationToken).ConfigureAwait(false);
        if (isBootable)
        {
            return; // its kernel's package has the modules
        }

        KernelModules.RemoveUseless(boot.Root);
        await HostTool.RunAsync(
            boot.Root, "tar", ["-c", "-f", Path.Combine(Medium, "modules.tar"), "lib/modules"], cancellationToken).ConfigureAwait(false);
    }

    private static DiskSpec Raw(string path) => new() { Path = path, Format = "raw" };

    /// <summary>Lets a machine install from the medium to the disk.</summary>
    /// <exception cref="StrataException">It did not come to its end; the message has the last lines it printed.</exception>
    private async Task InstallAsync(string disk, string medium, CancellationToken cancellationToken)
    {
        InstallLog log = new(progress);
        MachineSpec spec = new()
        {
            Kernel = Path.Combine(BootFolder, DebianImage.KernelFile),
            Initrd = Path.Combine(BootFolder, DebianImage.InitrdFile),
            CommandLine = DebianImage.CommandLine + (isBootable ? " strata.build=bootable" : " strata.build=1"),
            Memory = MachineMemory,
            Disks = [Raw(disk), Raw(medium)],
            Networks = [], // all it needs is on the medium
        };
        VirtualMachine machine = await VirtualMachine.StartAsync(
            spec, new MachineAttachments { ConsoleOutput = log.Write }, cancellationToken).ConfigureAwait(false);
        await using (machine.ConfigureAwait(false))
        {
            try
            {
                MachineExit exit = await machine.WaitForExitAsync(cancellationToken)
                    .WaitAsync(Patience, cancellationToken)
                    .ConfigureAwait(false);
                if (exit.Reason != MachineExitReason.PowerOff || !log.IsComplete)
                {
                    throw new StrataException(
                        StrataError.ImageUnavailable, $"Installing the packages failed: {exit.Details} It had printed:\n{log.LastLines}");
                }
            }
            catch (TimeoutException error)
            {
                throw new StrataException(
                    StrataError.ImageUnavailable,
                    $"Installing the packages took more than {Patience.TotalMinutes:F0} minutes. It had printed:\n{log.LastLines}", error);
            }
        }
    }
}
