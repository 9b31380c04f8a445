using Strata.Devices.Storage;

namespace Strata.Machines.Boards;

/// <summary>Which drive is where on the IDE channels.</summary>
internal static class IdePlaces
{
    /// <summary>Drives that there is room for.</summary>
    public const int Most = 4;

    private static readonly int[] DiskPlaces = [0, 1, 3, 2];

    /// <summary>Of the CD drives, the first one's place first. A disc is the second channel's first drive in most PCs.</summary>
    public static IReadOnlyList<int> DiscPlaces { get; } = [2, 3, 1, 0];

    /// <summary>Puts drives to their places: 0 and 1 are the first channel's.</summary>
    /// <exception cref="ArgumentException">There are too many.</exception>
    public static IdeDrive?[] Place(IReadOnlyList<IdeDriveOptions> drives)
    {
        IdeDrive?[] places = new IdeDrive?[Most];
        foreach ((int place, IdeDriveOptions drive) in Assign(drives))
        {
            string serial = $"STRATA{place:d2}";
            places[place] = drive.IsOptical ? new AtapiDrive(drive.Medium, serial) : new AtaDisk(drive.Medium!, serial);
        }

        return places;
    }

    /// <summary>Which place each drive has: disks in their order, then discs in theirs.</summary>
    /// <exception cref="ArgumentException">There are too many.</exception>
    public static IReadOnlyList<(int Place, IdeDriveOptions Options)> Assign(IReadOnlyList<IdeDriveOptions> drives)
    {
        if (drives.Count > Most)
        {
            throw new ArgumentException($"IDE has room for {Most} drives, not {drives.Count}.", nameof(drives));
        }

        List<(int Place, IdeDriveOptions Options)> assigned = [];
        foreach (IdeDriveOptions drive in drives.OrderBy(drive => drive.IsOptical))
        {
            IReadOnlyList<int> places = drive.IsOptical ? DiscPlaces : DiskPlaces;
            assigned.Add((places.First(place => assigned.All(other => other.Place != place)), drive));
        }

        return assigned;
    }
}
