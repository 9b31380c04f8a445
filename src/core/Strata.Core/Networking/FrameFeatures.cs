namespace Strata.Core.Networking;

/// <summary>Work on a frame that its sender may leave to the receiver.</summary>
[Flags]
public enum FrameFeatures
{
    /// <summary>Only complete frames of the link's MTU.</summary>
    None = 0,

    /// <summary>The TCP or UDP checksum field may hold the pseudo-header's sum only.</summary>
    PartialChecksum = 1,

    /// <summary>
    /// A TCP segment over IPv4 may be up to 64 KiB long, to be cut into pieces of <see cref="FrameOffload.SegmentSize"/>. Implies
    /// <see cref="PartialChecksum"/>.
    /// </summary>
    Tcp4Segmentation = 2,

    /// <summary>The same over IPv6.</summary>
    Tcp6Segmentation = 4,
}
