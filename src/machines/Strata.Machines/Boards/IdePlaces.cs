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
        if (drives.Count > Most)
        {
            throw new ArgumentException($"IDE has room for {Most} drives, not {drives.Count}.", nameof(drives));
        }

        IdeDrive?[] places = new IdeDrive?[Most];
        foreach (IdeDriveOptions drive in drives.OrderBy(drive => drive.IsOptical))
        {
            int place = (drive.IsOptical ? DiscPlaces : (IReadOnlyList<int>)DiskPlaces).First(place => places[place] is null);
            string serial = $"STRATA{place:d2}";
            places[place] = drive.IsOptical ? new AtapiDrive(drive.Medium, serial) : new AtaDisk(drive.Medium!, serial);
        }

        return places;
    }
}
