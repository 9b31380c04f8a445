using System.Buffers;
using Strata.Disks.Images;

namespace Strata.Disks.Operations;

/// <summary>What a comparison of two disks found.</summary>
/// <param name="DifferentAt">Offset of the first byte that differs; null if there is none. Behind the end of the shorter disk, zeros are expected.</param>
/// <param name="HasSameSize">Whether both have the same number of sectors.</param>
public sealed record DiskComparison(long? DifferentAt, bool HasSameSize)
{
    private const int ChunkSize = 1 << 20;

    /// <summary>Whether a guest would find the same bytes, apart from zeros at the end of the longer disk.</summary>
    public bool IsSame => DifferentAt is null;

    /// <summary>Compares what two disks show; ranges that are zeros in both are not read.</summary>
    public static DiskComparison Run(DiskImage first, DiskImage second, IProgress<DiskProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        long total = Math.Max(first.Sectors, second.Sectors) * 512;
        byte[] left = ArrayPool<byte>.Shared.Rent(ChunkSize);
        byte[] right = ArrayPool<byte>.Shared.Rent(ChunkSize);
        bool sameSize = first.Sectors == second.Sectors;
        try
        {
            for (long offset = 0; offset < total;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                DiskExtent a = Map(first, offset, total - offset);
                DiskExtent b = Map(second, offset, total - offset);
                long length = Math.Min(a.Length, b.Length);
                if (a.Kind != DiskExtentKind.Zero || b.Kind != DiskExtentKind.Zero)
                {
                    length = Math.Min(length, ChunkSize);
                    Read(first, a.Kind, offset, left.AsSpan(0, (int)length));
                    Read(second, b.Kind, offset, right.AsSpan(0, (int)length));
                    int same = left.AsSpan(0, (int)length).CommonPrefixLength(right.AsSpan(0, (int)length));
                    if (same != length)
                    {
                        return new DiskComparison(offset + same, sameSize);
                    }
                }

                offset += length;
                progress?.Report(new DiskProgress(offset, total));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(left);
            ArrayPool<byte>.Shared.Return(right);
        }

        return new DiskComparison(null, sameSize);
    }

    private static DiskExtent Map(DiskImage image, long offset, long length)
    {
        long inside = (image.Sectors * 512) - offset;
        return inside <= 0 ? new DiskExtent(length, DiskExtentKind.Zero) : DiskLayers.Map(image, offset, Math.Min(inside, length));
    }

    private static void Read(DiskImage image, DiskExtentKind kind, long offset, Span<byte> buffer)
    {
        if (kind == DiskExtentKind.Zero)
        {
            buffer.Clear();
        }
        else
        {
            image.Read(offset, buffer);
        }
    }
}
