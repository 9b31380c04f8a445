namespace Strata.Virtio.Balloon;

/// <summary>What the guest's kernel says about its memory; null for what it does not tell. The guest may lie.</summary>
public sealed record GuestMemoryStatistics
{
    /// <summary>Bytes that no page holds anything in.</summary>
    public ulong? Free { get; init; }

    /// <summary>Bytes the kernel manages.</summary>
    public ulong? Total { get; init; }

    /// <summary>Bytes that programs could have without swapping.</summary>
    public ulong? Available { get; init; }

    /// <summary>Bytes of file content that could be dropped.</summary>
    public ulong? DiskCaches { get; init; }

    public ulong? MajorFaults { get; init; }

    public ulong? MinorFaults { get; init; }

    /// <summary>Bytes.</summary>
    public ulong? SwappedIn { get; init; }

    /// <summary>Bytes.</summary>
    public ulong? SwappedOut { get; init; }
}
