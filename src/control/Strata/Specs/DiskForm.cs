using Strata.Disks;
using Strata.Disks.Images;
using Strata.Disks.Throttling;
using static Strata.Specs.SpecKinds;

namespace Strata.Specs;

/// <summary>The form of disks in a machine specification.</summary>
internal static class DiskForm
{
    private static readonly SpecRecord<DiskThrottle> Throttle = new("a throttle", () => new DiskThrottle())
    {
        {
            "bytesPerSecond", OptionalValue(new SizeKind(1, long.MaxValue)),
            t => t.BytesPerSecond, (t, v) => t with { BytesPerSecond = v },
            "Read and written together."
        },
        {
            "operationsPerSecond", OptionalValue(new NumberKind<long>(1, long.MaxValue)),
            t => t.OperationsPerSecond, (t, v) => t with { OperationsPerSecond = v },
            "Of every kind together."
        },
    };

    private static readonly ChoiceKind<BackingImages> Backing = new(
        (BackingImages.SameFolder, "folder"),
        (BackingImages.Any, "any"),
        (BackingImages.None, "none"),
        (BackingImages.Detached, "detached"));

    private static readonly ChoiceKind<DiskBus> Bus = new(
        (DiskBus.Virtio, "virtio"),
        (DiskBus.Nvme, "nvme"),
        (DiskBus.Ahci, "ahci"),
        (DiskBus.Ide, "ide"),
        (DiskBus.Cdrom, "cdrom"),
        (DiskBus.Floppy, "floppy"));

    private static readonly ChoiceKind<string> Format = new([.. DiskImages.Formats.Select(format => (format.Name, format.Name))]);

    public static SpecRecord<DiskSpec> Disk { get; } = new(
        "a disk", () => new DiskSpec { Path = string.Empty }, DiskSpec.Parse, DiskSpec.Syntax)
    {
        {
            "path", Text, d => d.Path, (d, v) => d with { Path = v },
            "The image; an empty text for a CD or floppy drive without a medium.", true
        },
        {
            "format", Optional(Format),
            d => d.Format, (d, v) => d with { Format = v },
            "The image's format; null to conclude it from the content."
        },
        { "bus", Bus, d => d.Bus, (d, v) => d with { Bus = v }, "How the disk is attached; ide, cdrom and floppy need firmware." },
        { "readOnly", Flag, d => d.ReadOnly, (d, v) => d with { ReadOnly = v }, "The guest cannot write the disk." },
        { "snapshot", Flag, d => d.Snapshot, (d, v) => d with { Snapshot = v }, "What the guest writes is thrown away at the end." },
        { "backing", Backing, d => d.Backing, (d, v) => d with { Backing = v }, "Which backing images may be opened." },
        { "throttle", Optional(Throttle), d => d.Throttle, (d, v) => d with { Throttle = v }, "Bounds on the disk's speed." },
    };
}
