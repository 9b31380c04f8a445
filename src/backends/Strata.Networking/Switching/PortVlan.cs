using Strata.Networking.Frames;

namespace Strata.Networking.Switching;

/// <summary>The VLANs of a switch port. IEEE 802.1Q.</summary>
public sealed record PortVlan
{
    private PortVlan(bool isTrunk, ushort untagged, IReadOnlySet<ushort>? tagged) =>
        (IsTrunk, Untagged, Tagged) = (isTrunk, untagged, tagged);

    /// <summary>Tagged frames pass.</summary>
    public bool IsTrunk { get; }

    /// <summary>The VLAN of frames without a tag, 1..4094; 0 on a trunk that drops them.</summary>
    public ushort Untagged { get; }

    /// <summary>VLANs whose frames carry a tag; null for all others.</summary>
    public IReadOnlySet<ushort>? Tagged { get; }

    /// <summary>A port of one VLAN that sees no tags.</summary>
    public static PortVlan Access(int vlan) => new(false, Check(vlan), null);

    /// <summary>A port of many VLANs that are told apart by tags.</summary>
    /// <param name="vlans">Which; none for all.</param>
    /// <param name="native">The VLAN of frames without a tag; 0 drops them.</param>
    public static PortVlan Trunk(IEnumerable<int>? vlans = null, int native = 1)
    {
        HashSet<ushort>? tagged = vlans?.Select(Check).ToHashSet();
        return new PortVlan(true, native == 0 ? (ushort)0 : Check(native), tagged);
    }

    /// <summary>Whether frames of a VLAN leave by the port.</summary>
    public bool Carries(ushort vlan) => vlan == Untagged || (IsTrunk && (Tagged?.Contains(vlan) ?? true));

    private static ushort Check(int vlan) => vlan is >= 1 and <= VlanTag.LargestVlan
        ? (ushort)vlan
        : throw new ArgumentOutOfRangeException(nameof(vlan), $"A VLAN is 1 to {VlanTag.LargestVlan}, not {vlan}.");
}
