using System.Buffers;
using Strata.Disks.Images;
using Strata.Disks.Qcow2;

namespace Strata.Disks.Operations;

/// <summary>Copies what a disk shows into another disk of at least the same size that reads as zeros.</summary>
internal static class DiskCopy
{
    private const int ChunkSize = 2 << 20; // bytes
    private const int Grain = 4096; // zeros shorter than this are written

    /// <param name="compress">Write compressed clusters; the target must be a <see cref="Qcow2Image"/>.</param>
    /// <exception cref="OperationCanceledException">The target is incomplete.</exception>
    public static void Run(
        DiskImage source, DiskImage target, bool compress, IProgress<DiskProgress>? progress, CancellationToken cancellationToken)
    {
        long total = source.Sectors * 512;
        Qcow2Image? packed = compress ? (Qcow2Image)target : null;
        int chunk = packed is null ? ChunkSize : packed.ClusterSize;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(chunk);
        try
        {
            long offset = 0;
            while (offset < total)
            {
                cancellationToken.ThrowIfCancellationRequested();
                DiskExtent extent = DiskLayers.Map(source, offset, total - offset);
                if (extent.Kind == DiskExtentKind.Zero
                    && (packed is null || offset % chunk == 0)
                    && (extent.Length >= chunk || packed is null))
                {
                    offset += packed is null ? extent.Length : extent.Length / chunk * chunk;
                    progress?.Report(new DiskProgress(offset, total));
                    continue;
                }

                int length = (int)Math.Min(packed is null ? extent.Length : total - offset, chunk);
                Span<byte> data = buffer.AsSpan(0, length);
                source.Read(offset, data);
                if (packed is null || !data.ContainsAnyExcept((byte)0) || !packed.WriteCompressed(offset, data))
                {
                    WriteSparse(target, offset, data);
                }

                offset += length;
                progress?.Report(new DiskProgress(offset, total));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Writes what is not zeros.</summary>
    private static void WriteSparse(DiskImage target, long offset, ReadOnlySpan<byte> data)
    {
        int start = 0;
        while (start < data.Length)
        {
            int end = start;
            bool isZero = IsZero(data, start);
            while (end < data.Length && IsZero(data, end) == isZero)
            {
                end = Math.Min(end + Grain, data.Length);
            }

            if (!isZero)
            {
                target.Write(offset + start, data[start..end]);
            }

            start = end;
        }
    }

    private static bool IsZero(ReadOnlySpan<byte> data, int start) =>
        !data[start..Math.Min(start + Grain, data.Length)].ContainsAnyExcept((byte)0);
}
