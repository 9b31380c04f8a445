using Strata.Core.Logging;
using Strata.Devices.Storage;
using Strata.Snapshots;
using Strata.Snapshots.Sets;

namespace Strata;

/// <content>Drives whose media change while the machine runs.</content>
public sealed partial class VirtualMachine
{
    /// <summary>How long a guest may take to let go of a medium when it is asked to.</summary>
    private static readonly TimeSpan EjectPatience = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan EjectInterval = TimeSpan.FromMilliseconds(50);

    /// <summary>Drives with their names, and where they are among <see cref="MachineSpec.Disks"/>.</summary>
    private IEnumerable<(string Name, int Index, IRemovableDrive Drive)> RemovableDrives =>
    [
        .. Drives("cd", DiskBus.Cdrom, _board.OpticalDrives),
        .. Drives("fd", DiskBus.Floppy, _board.FloppyDrives),
    ];

    /// <inheritdoc/>
    public async Task<IReadOnlyList<RemovableDrive>> ListDrivesAsync(CancellationToken cancellationToken = default) =>
        HasEnded ? [] : await Task.Run(() => RemovableDrives.Select(Describe).ToArray(), cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async Task ChangeMediumAsync(MediumChange change, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(change);
        if (HasEnded)
        {
            throw new StrataException(StrataError.BadInput, $"{Called} has ended; start it again with `strata run`.");
        }

        (string name, int index, IRemovableDrive drive) = FindDrive(change.Drive);
        MediumExchange exchange = new(index, drive, OpenMedium(index, change.Path));
        bool isIn = false;
        try
        {
            await Task.Run(() => AwaitUnlockAsync(name, drive, change.IsForced, cancellationToken), cancellationToken)
                .ConfigureAwait(false);
            await _saver.ExchangeAsync(
                exchange,
                () =>
                {
                    isIn = true;
                    Spec = With(Spec, index, exchange.Disk.Spec);
                },
                cancellationToken).ConfigureAwait(false);
            LogMedium(_loggers.For(LogAreas.Disks), name, change.Path ?? "nothing");
        }
        catch (Exception error) when (error is IOException or InvalidOperationException)
        {
            throw new StrataException(StrataError.Host, $"The medium of {name}: {error.Message}", error);
        }
        finally
        {
            if (!isIn)
            {
                exchange.Disk.Dispose();
            }
        }
    }

    private RemovableDrive Describe((string Name, int Index, IRemovableDrive Drive) drive) => new()
    {
        Name = drive.Name,
        Medium = Spec.Disks[drive.Index] is { IsEmpty: false } disk ? disk.Path : null,
        IsOpen = drive.Drive.IsOpen,
        IsLocked = drive.Drive.IsLocked,
    };

    private static MachineSpec With(MachineSpec spec, int index, DiskSpec disk) =>
        spec with { Disks = [.. spec.Disks.Take(index), disk, .. spec.Disks.Skip(index + 1)] };

    /// <summary>Where a drive had another medium than it has now: that.</summary>
    /// <exception cref="IOException">It is not there any more.</exception>
    private List<MediumExchange> FindMedia(MachineSpec saved, SnapshotSet set, Snapshot snapshot)
    {
        List<MediumExchange> media = [];
        foreach ((_, int index, IRemovableDrive drive) in RemovableDrives)
        {
            if (index < saved.Disks.Count && saved.Disks[index].Path != RootedPath(index))
            {
                media.Add(new MediumExchange(
                    index, drive, MachineDisk.Open(saved.Disks[index], snapshot.Manifest.Disks[index], set, isClone: false)));
            }
        }

        return media;
    }

    private string RootedPath(int index) => Spec.Disks[index] is { IsEmpty: false } disk ? Path.GetFullPath(disk.Path) : string.Empty;

    private IEnumerable<(string Name, int Index, IRemovableDrive Drive)> Drives(
        string prefix, DiskBus bus, IReadOnlyList<IRemovableDrive> drives) =>
        Spec.Disks.Index().Where(disk => disk.Item.Bus == bus).Zip(drives)
            .Select((pair, number) => ($"{prefix}{number}", pair.First.Index, pair.Second));

    private (string Name, int Index, IRemovableDrive Drive) FindDrive(string? name)
    {
        (string Name, int Index, IRemovableDrive Drive)[] all = [.. RemovableDrives];
        string names = string.Join(", ", all.Select(drive => drive.Name));
        return all.Length == 0
            ? throw new StrataException(
                StrataError.BadInput,
                $"{Called} has no drive for media: give it one when it starts, such as --cdrom \"\" for an empty CD drive.")
            : name is null && all.Length > 1
                ? throw new StrataException(StrataError.BadInput, $"{Called} has several drives; say which: {names}.")
                : all.FirstOrDefault(drive => name is null || drive.Name == name) is { Name: not null } found
                    ? found
                    : throw new StrataException(StrataError.BadInput, $"{Called} has no drive \"{name}\"; there is {names}.");
    }

    /// <exception cref="StrataException">It is no image, or none for this drive.</exception>
    private MachineDisk OpenMedium(int index, string? path)
    {
        DiskBus bus = Spec.Disks[index].Bus;
        DiskSpec spec = bus == DiskBus.Floppy ? DiskSpec.Diskette(path ?? string.Empty) : DiskSpec.Disc(path ?? string.Empty);
        MachineDisk? disk = null;
        try
        {
            disk = MachineDisk.Open(spec, _loggers.For(LogAreas.Disks));
            _ = bus == DiskBus.Floppy ? MachineFirmware.OpenDiskette(disk) : null;
            return disk;
        }
        catch (Exception error) when (error is IOException or StrataException)
        {
            disk?.Dispose();
            throw new StrataException(StrataError.BadInput, error.Message, error);
        }
    }

    /// <summary>Where the guest keeps the medium in, it is asked to let go.</summary>
    private async Task AwaitUnlockAsync(string name, IRemovableDrive drive, bool isForced, CancellationToken cancellationToken)
    {
        if (isForced || !IsHeld(drive))
        {
            return;
        }

        drive.RequestEject();
        long since = Environment.TickCount64;
        while (IsHeld(drive))
        {
            if (Environment.TickCount64 - since > EjectPatience.TotalMilliseconds || HasEnded)
            {
                throw new StrataException(
                    StrataError.Guest,
                    $"The guest keeps the medium in {name}: unmount it there. --force takes it out all the same, and the " +
                    $"guest's reads fail.");
            }

            await Task.Delay(EjectInterval, cancellationToken).ConfigureAwait(false);
        }
    }

    private static bool IsHeld(IRemovableDrive drive) => drive.HasMedium && drive.IsLocked && !drive.IsOpen;
}
