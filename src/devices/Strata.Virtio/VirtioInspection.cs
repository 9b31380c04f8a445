using Strata.Virtio.Queue;

namespace Strata.Virtio;

/// <summary>A virtio device and its driver's settings, for people and tools.</summary>
public sealed record VirtioInspection
{
    /// <summary>As in the specification's table "Device Types".</summary>
    public required ushort DeviceType { get; init; }

    public required string TypeName { get; init; }

    /// <summary>The device status register: 1 ACKNOWLEDGE, 2 DRIVER, 4 DRIVER_OK, 8 FEATURES_OK, 64 NEEDS_RESET.</summary>
    public required byte Status { get; init; }

    /// <summary>Names of the features that the device has.</summary>
    public required IReadOnlyList<string> Offered { get; init; }

    /// <summary>Names of those that the driver took.</summary>
    public required IReadOnlyList<string> Negotiated { get; init; }

    public required IReadOnlyList<QueueInspection> Queues { get; init; }
}
