namespace Strata.Core.Networking;

/// <summary>What a frame's sender left undone. The default value says: nothing.</summary>
public readonly record struct FrameOffload
{
    /// <summary>The frame is complete as it is.</summary>
    public static FrameOffload None => default;

    /// <summary>The 16-bit ones' complement sum from <see cref="ChecksumStart"/> to the end has to be put in its place.</summary>
    public bool NeedsChecksum { get; init; }

    /// <summary>Bytes from the frame's first byte to the first one that is summed.</summary>
    public ushort ChecksumStart { get; init; }

    /// <summary>Bytes from <see cref="ChecksumStart"/> to the checksum field.</summary>
    public ushort ChecksumOffset { get; init; }

    /// <summary>
    /// <see cref="FrameFeatures.Tcp4Segmentation"/>, <see cref="FrameFeatures.Tcp6Segmentation"/> or <see cref="FrameFeatures.None"/>.
    /// </summary>
    public FrameFeatures Segmentation { get; init; }

    /// <summary>TCP payload bytes of each piece, 1..65535; zero for a frame that is not cut.</summary>
    public ushort SegmentSize { get; init; }

    /// <summary>Bytes of all headers, a hint: where the TCP payload begins.</summary>
    public ushort HeaderLength { get; init; }
}
