namespace Strata.Disks.Blocks;

/// <summary>What a flush writes besides data, in the order that keeps the image sound whenever the process or the host stops.</summary>
internal sealed class MetadataBatch
{
    /// <summary>Written before the barrier that makes new blocks durable: harmless without the tables that follow.</summary>
    public List<MetadataWrite> WithData { get; } = [];

    /// <summary>Tables that make new blocks reachable: written only once those blocks are durable.</summary>
    public List<MetadataWrite> Tables { get; } = [];
}

/// <param name="Offset">Bytes from the start of the file.</param>
/// <param name="Bytes">A copy: nobody changes it any more.</param>
internal readonly record struct MetadataWrite(long Offset, byte[] Bytes);
