using System.Globalization;

namespace Strata.Virtio;

/// <summary>
/// Names of device types and feature bits, without their prefixes. Virtual I/O Device (VIRTIO) 1.2, "Device Types", "Reserved
/// Feature Bits" and each device's "Feature bits".
/// </summary>
internal static class VirtioNames
{
    private const int FirstCommonBit = 24;

    private static readonly Dictionary<int, string> Types = new()
    {
        [1] = "network", [2] = "block", [3] = "console", [4] = "entropy", [5] = "balloon", [19] = "vsock", [26] = "file system",
    };

    private static readonly Dictionary<int, string> Common = new()
    {
        [28] = "INDIRECT_DESC", [29] = "EVENT_IDX", [32] = "VERSION_1", [33] = "ACCESS_PLATFORM", [34] = "RING_PACKED",
        [35] = "IN_ORDER", [36] = "ORDER_PLATFORM", [37] = "SR_IOV", [38] = "NOTIFICATION_DATA", [40] = "RING_RESET",
    };

    private static readonly Dictionary<(int Type, int Bit), string> OfDevices = new()
    {
        [(1, 0)] = "CSUM", [(1, 1)] = "GUEST_CSUM", [(1, 2)] = "CTRL_GUEST_OFFLOADS", [(1, 3)] = "MTU", [(1, 5)] = "MAC",
        [(1, 7)] = "GUEST_TSO4", [(1, 8)] = "GUEST_TSO6", [(1, 9)] = "GUEST_ECN", [(1, 10)] = "GUEST_UFO", [(1, 11)] = "HOST_TSO4",
        [(1, 12)] = "HOST_TSO6", [(1, 13)] = "HOST_ECN", [(1, 14)] = "HOST_UFO", [(1, 15)] = "MRG_RXBUF", [(1, 16)] = "STATUS",
        [(1, 17)] = "CTRL_VQ", [(1, 18)] = "CTRL_RX", [(1, 19)] = "CTRL_VLAN", [(1, 21)] = "GUEST_ANNOUNCE", [(1, 22)] = "MQ",
        [(1, 23)] = "CTRL_MAC_ADDR",
        [(2, 1)] = "SIZE_MAX", [(2, 2)] = "SEG_MAX", [(2, 4)] = "GEOMETRY", [(2, 5)] = "RO", [(2, 6)] = "BLK_SIZE", [(2, 9)] = "FLUSH",
        [(2, 10)] = "TOPOLOGY", [(2, 11)] = "CONFIG_WCE", [(2, 12)] = "MQ", [(2, 13)] = "DISCARD", [(2, 14)] = "WRITE_ZEROES",
        [(3, 0)] = "SIZE", [(3, 1)] = "MULTIPORT", [(3, 2)] = "EMERG_WRITE",
        [(5, 0)] = "MUST_TELL_HOST", [(5, 1)] = "STATS_VQ", [(5, 2)] = "DEFLATE_ON_OOM", [(5, 3)] = "FREE_PAGE_HINT",
        [(5, 4)] = "PAGE_POISON", [(5, 5)] = "PAGE_REPORTING",
        [(19, 0)] = "STREAM", [(19, 1)] = "SEQPACKET",
        [(26, 0)] = "NOTIFICATION",
    };

    public static string OfType(ushort type) => Types.GetValueOrDefault(type) ?? type.ToString(CultureInfo.InvariantCulture);

    /// <summary>The names of all bits that are set; a number for one without a name.</summary>
    public static IReadOnlyList<string> OfFeatures(ushort type, ulong features) =>
        [.. Enumerable.Range(0, 64).Where(bit => (features >> bit & 1) != 0).Select(bit => OfFeature(type, bit))];

    private static string OfFeature(ushort type, int bit) =>
        (bit >= FirstCommonBit ? Common.GetValueOrDefault(bit) : OfDevices.GetValueOrDefault((type, bit)))
            ?? bit.ToString(CultureInfo.InvariantCulture);
}
