using Strata.Devices.Storage;

namespace Strata.Snapshots;

/// <summary>Another medium for a drive.</summary>
/// <param name="Index">Of the drive, among the disks of the machine's specification.</param>
/// <param name="Drive">The drive.</param>
/// <param name="Disk">What is to be in it.</param>
internal sealed record MediumExchange(int Index, IRemovableDrive Drive, MachineDisk Disk);
