using static Strata.Disks.Qcow2.Qcow2Format;

namespace Strata.Disks.Qcow2;

/// <summary>What an L2 entry says about a cluster.</summary>
internal enum Qcow2ClusterKind
{
    Unallocated,
    Zero,
    Data,
    Compressed,
}

/// <summary>An L2 entry, taken apart.</summary>
internal readonly struct Qcow2Entry
{
    public Qcow2Entry(ulong raw, Qcow2File file)
    {
        Raw = raw;
        if ((raw & Compressed) != 0)
        {
            Kind = Qcow2ClusterKind.Compressed;
            int split = 62 - (file.ClusterBits - 8);
            Offset = (long)(raw & ((1UL << split) - 1));
            int sectors = (int)((raw & ~(Copied | Compressed)) >> split) + 1;
            CompressedLength = (sectors * SectorSize) - (int)(Offset & (SectorSize - 1));
            return;
        }

        Offset = (long)(raw & OffsetMask);
        Kind = file.Header.Version >= 3 && (raw & ReadsAsZeros) != 0 ? Qcow2ClusterKind.Zero
            : Offset != 0 ? Qcow2ClusterKind.Data
            : Qcow2ClusterKind.Unallocated;
    }

    public ulong Raw { get; }

    public Qcow2ClusterKind Kind { get; }

    /// <summary>Of the cluster's bytes in the file; 0 for none.</summary>
    public long Offset { get; }

    /// <summary>Bytes that the compressed cluster takes at most.</summary>
    public int CompressedLength { get; }

    /// <summary>Whether nothing else refers to the cluster.</summary>
    public bool IsCopied => (Raw & Copied) != 0 && Kind != Qcow2ClusterKind.Compressed;

    /// <summary>Whether the cluster's data may be overwritten where it is.</summary>
    public bool IsInPlace => Kind == Qcow2ClusterKind.Data && IsCopied;

    public static ulong CompressedRaw(long offset, int length, int clusterBits)
    {
        int split = 62 - (clusterBits - 8);
        long sectors = ((offset + length - 1) / SectorSize) - (offset / SectorSize);
        return Compressed | ((ulong)sectors << split) | (ulong)offset;
    }
}
