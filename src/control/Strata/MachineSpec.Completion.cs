using Strata.Images;

namespace Strata;

/// <content>From what was asked for to what can be started.</content>
public sealed partial record MachineSpec
{
    /// <summary>Of a kernel that was given none.</summary>
    internal const string DefaultCommandLine = "console=ttyS0";

    private const int MostIdeDrives = 4;
    private const int MostFloppyDrives = 2;

    /// <summary>
    /// The same machine with the files of its <see cref="Image"/>, which is built first if it is not in the cache; with its agent, and
    /// mounts for its shared folders. A machine that has a <see cref="Kernel"/> is complete.
    /// </summary>
    /// <param name="progress">Receives a line for each step of a build.</param>
    /// <exception cref="StrataException">The specification names neither image nor kernel, or the image cannot be had.</exception>
    public async Task<MachineSpec> ResolveAsync(IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        if (Kernel is null && Image is { } start && GuestImages.Find(start) is DebianBootable disk)
        {
            MachineSpec started = StartingFrom(disk);
            await disk.EnsureAsync(progress, cancellationToken).ConfigureAwait(false);
            return await started.ResolveAsync(progress, cancellationToken).ConfigureAwait(false);
        }

        CheckFiles();
        if (Kernel is not null)
        {
            return this;
        }

        if (HasFirmware)
        {
            FirmwareKind kind = Firmware ?? FirmwareProbe.Choose(this);
            if (FirmwareVariables is not null && kind == FirmwareKind.SeaBios)
            {
                throw VariablesWithoutUefi();
            }

            await FirmwareFiles.EnsureAsync(FirmwarePackage.Of(kind), null, progress, cancellationToken).ConfigureAwait(false);
            return this with { Firmware = kind };
        }

        GuestImage image = GuestImages.Find(Image!);
        _ = image.IsCached ? null : Setup.ToCommandLine(); // a mistake shows before a long build
        await image.EnsureAsync(progress, cancellationToken).ConfigureAwait(false);
        MachineSpec own = Keep is { } name
            ? await KeptMachines.CreateSpecAsync(image, Setup, name, cancellationToken).ConfigureAwait(false)
            : image.CreateSpec(Setup);
        MachineSpec equipped = image.Equip(this with
        {
            Kernel = own.Kernel,
            Initrd = own.Initrd,
            ImageFolder = own.ImageFolder,
            CommandLine = own.CommandLine,
            Disks = [.. own.Disks, .. Disks],
            Setup = GuestSetup.Default, // it is on the command line from here on
            Keep = null,
        });
        return CommandLine is { } extra ? equipped with { CommandLine = $"{equipped.CommandLine} {extra}" } : equipped;
    }

    /// <summary>
    /// A machine that firmware starts from a file: an ISO image is a disc in a CD drive, a file of a diskette's size is one, and everything
    /// else a disk on IDE.
    /// </summary>
    /// <param name="path">A disk or disc image.</param>
    /// <exception cref="StrataException">The file cannot be read.</exception>
    public static MachineSpec StartingFrom(string path)
    {
        MachineSpec spec = new()
        {
            Disks =
            [
                DiskKindProbe.FindBus(path) switch
                {
                    DiskBus.Cdrom => DiskSpec.Disc(path),
                    DiskBus.Floppy => DiskSpec.Diskette(path),
                    DiskBus bus => new DiskSpec { Path = path, Bus = bus },
                },
            ],
        };
        return spec with { Firmware = FirmwareProbe.Choose(spec) };
    }

    /// <summary>A file for <see cref="FirmwareVariables"/> of a machine that is started under a name again and again.</summary>
    /// <param name="machine">Its name.</param>
    /// <exception cref="StrataException">The user has no home.</exception>
    public static string FirmwareVariablesOf(string machine) => Strata.FirmwareVariables.PathOf(machine);

    /// <summary>The same machine keeping its firmware's variables by a name, where UEFI firmware starts it and it names no file.</summary>
    /// <param name="machine">What it is called.</param>
    /// <exception cref="StrataException">The user has no home.</exception>
    public MachineSpec KeepingFirmwareVariables(string machine) =>
        HasFirmware && FirmwareVariables is null && (Firmware ?? FirmwareProbe.Choose(this)) == FirmwareKind.Ovmf
            ? this with { FirmwareVariables = FirmwareVariablesOf(machine) }
            : this;

    private static StrataException VariablesWithoutUefi() => new(
        StrataError.BadInput,
        "SeaBIOS starts this machine, and only UEFI firmware has variables to keep: leave out --firmware-vars, or give --firmware ovmf.");

    /// <summary>The same machine with the disk of its image, which firmware starts as it starts any other.</summary>
    private MachineSpec StartingFrom(DebianBootable image)
    {
        if (Keep is not null || CommandLine is not null)
        {
            throw new StrataException(
                StrataError.BadInput,
                $"{image.ImageName} starts from its disk alone: leave out --keep and --append, and run a copy of {image.DiskPath} for a "
                + "machine that stays.");
        }

        MachineSpec own = image.CreateSpec(Setup);
        return this with
        {
            Image = null,
            ImageFolder = own.ImageFolder,
            Disks = [.. own.Disks, .. Disks],
            Sockets = own.Sockets,
            Balloon = own.Balloon,
        };
    }

    /// <summary>The same machine for a process with another working folder.</summary>
    /// <param name="folder">What relative paths start from.</param>
    public MachineSpec RootedAt(string folder)
    {
        return this with
        {
            Keep = Keep?.Contains('/', StringComparison.Ordinal) == true ? Root(Keep) : Keep,
            ImageFolder = RootIfAny(ImageFolder),
            Kernel = RootIfAny(Kernel),
            FirmwareVariables = RootIfAny(FirmwareVariables),
            Initrd = RootIfAny(Initrd),
            InitrdOverlays = [.. InitrdOverlays.Select(Root)],
            Modules = [.. Modules.Select(module => module with { Path = Root(module.Path) })],
            Disks = [.. Disks.Select(disk => disk.IsEmpty ? disk : disk with { Path = Root(disk.Path) })],
            Networks = [.. Networks.Select(card => card with { Capture = RootIfAny(card.Capture), Plug = RootPlug(card.Plug) })],
            Shares = [.. Shares.Select(share => share with { Folder = Root(share.Folder) })],
            Sound = Sound is null ? null : new SoundSpec(RootIfAny(Sound.Wave)),
        };

        NetworkPlug RootPlug(NetworkPlug plug) => plug is NetworkPlug.User { Options: { TftpFolder: { } tftp } options }
            ? new NetworkPlug.User(options with { TftpFolder = Root(tftp) })
            : plug;

        string Root(string path) => Path.GetFullPath(path, folder);

        string? RootIfAny(string? path) => path is null ? null : Root(path);
    }

    /// <summary>The network is among what firmware was asked to try: its cards have programs for that.</summary>
    internal bool StartsFromNetwork => Boot.Contains(BootDevice.Network);

    /// <summary>Firmware starts the machine: it was asked for, or there is nothing else to start and a disk to start from.</summary>
    internal bool HasFirmware =>
        Firmware is FirmwareKind.SeaBios or FirmwareKind.Ovmf
        || (Firmware is null && Kernel is null && Image is null && (Disks.Count > 0 || StartsFromNetwork));

    /// <summary>
    /// Whether the disc of <see cref="CloudInit"/> is in a CD drive: systems that start from IDE may have no other driver.
    /// </summary>
    internal bool HasCloudInitDrive =>
        CloudInit is not null && HasFirmware && Disks.Count(disk => disk.Bus.IsIde()) is > 0 and < MostIdeDrives;

    /// <summary>What the machine is of, in a word: an image, a kernel, or what it starts from.</summary>
    public string Origin => Image
        ?? Path.GetFileName(Kernel)
        ?? Path.GetFileNameWithoutExtension(Disks.FirstOrDefault(disk => !disk.IsEmpty)?.Path)
        ?? "firmware";

    /// <exception cref="StrataException">No machine can have these sizes.</exception>
    internal void Check()
    {
        if (Processors is < 1 or > MostProcessors)
        {
            throw new StrataException(StrataError.BadInput, $"A machine has 1 to {MostProcessors} processors, not {Processors}.");
        }

        if (Memory < SmallestMemory || Memory % MemoryUnit != 0)
        {
            throw new StrataException(
                StrataError.BadInput,
                $"Memory must be a whole number of MiB and at least {SmallestMemory >> 20} MiB, not {Memory:N0} bytes.");
        }

        if (Memory > LargestMemory)
        {
            throw new StrataException(
                StrataError.BadInput,
                $"Memory can be at most {LargestMemory >> 30} GiB, not {Memory >> 30:N0} GiB; give the machine less.");
        }

        CloudInit?.Check();
    }

    private void CheckFiles()
    {
        if (HasFirmware && (Kernel is not null || Image is not null))
        {
            throw new StrataException(
                StrataError.BadInput, "Firmware starts what is on a disk or disc: leave out --firmware, or the kernel or image.");
        }

        if (!HasFirmware && Kernel is null && Image is null)
        {
            throw new StrataException(
                StrataError.BadInput, "Nothing to run: name an image (debian, debian-tiny), a disk or an ISO image, or give --kernel.");
        }

        if (!HasFirmware && Disks.FirstOrDefault(disk => disk.Bus.NeedsFirmware()) is { } other)
        {
            throw new StrataException(
                StrataError.BadInput,
                $"The disk {other.Path} needs firmware, which has the controller; attach it with bus=virtio, or leave out the kernel.");
        }

        if (Disks.Any(disk => disk.IsEmpty && !disk.Bus.IsRemovable()))
        {
            throw new StrataException(StrataError.BadInput, "A disk has no file; give its path. Only a CD drive can be empty.");
        }

        if (HasFirmware && Disks.Count(disk => disk.Bus.IsIde()) > MostIdeDrives)
        {
            throw new StrataException(
                StrataError.BadInput, $"A machine has room for {MostIdeDrives} IDE drives; attach the others with bus=virtio.");
        }

        if (FirmwareVariables is not null && Firmware is FirmwareKind.SeaBios or FirmwareKind.None)
        {
            throw VariablesWithoutUefi();
        }

        if (HasFirmware && Disks.Count(disk => disk.Bus == DiskBus.Floppy) > MostFloppyDrives)
        {
            throw new StrataException(
                StrataError.BadInput, $"A machine has {MostFloppyDrives} floppy drives; attach further images with bus=ide.");
        }

        if (Usb.Distinct().Count() != Usb.Count)
        {
            throw new StrataException(StrataError.BadInput, "A USB device is named twice; a machine has one of each kind.");
        }

        if (HasFirmware && Boot.Distinct().Count() != Boot.Count)
        {
            throw new StrataException(StrataError.BadInput, "A device is named twice for firmware to start from; name each once.");
        }

        if (Kernel is null && (Initrd is not null || InitrdOverlays.Count > 0))
        {
            throw new StrataException(StrataError.BadInput, "--initrd goes with --kernel: an image has its own.");
        }

        if (Kernel is null && Modules.Count > 0)
        {
            throw new StrataException(StrataError.BadInput, "--module goes with --kernel: an image's kernel takes none.");
        }

        if ((Kernel is not null || HasFirmware) && (Keep is not null || Setup != GuestSetup.Default))
        {
            throw new StrataException(
                StrataError.BadInput,
                "--keep, --hostname, --timezone and --ssh-key are for images; with --kernel give --disk, and --append what the system "
                + "should know.");
        }
    }
}
