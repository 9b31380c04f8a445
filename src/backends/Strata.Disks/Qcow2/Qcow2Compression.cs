using System.IO.Compression;

namespace Strata.Disks.Qcow2;

/// <summary>
/// The raw deflate streams (RFC 1951) of compressed clusters. Readers of the format keep only the last 4 KiB of what they unpacked, so
/// each 4 KiB are packed on their own: no match then reaches further back.
/// </summary>
internal static class Qcow2Compression
{
    private const int Window = 4096;

    /// <returns>False if the bytes are no stream, or one of another length than the cluster's.</returns>
    public static bool TryUnpack(ReadOnlyMemory<byte> packed, Span<byte> cluster)
    {
        using MemoryStream source = new(packed.ToArray());
        using DeflateStream stream = new(source, CompressionMode.Decompress);
        try
        {
            stream.ReadExactly(cluster);
            return true;
        }
        catch (Exception error) when (error is InvalidDataException or EndOfStreamException)
        {
            return false;
        }
    }

    /// <returns>Null if the result is not smaller than the cluster.</returns>
    public static byte[]? Pack(ReadOnlySpan<byte> cluster)
    {
        using MemoryStream result = new();
        for (int start = 0; start < cluster.Length; start += Window)
        {
            ReadOnlySpan<byte> part = cluster[start..Math.Min(start + Window, cluster.Length)];
            bool isLast = start + Window >= cluster.Length;
            using MemoryStream piece = new();
            using (DeflateStream stream = new(piece, CompressionLevel.Optimal, leaveOpen: true))
            {
                stream.Write(part);
                stream.Flush(); // ends on a byte, without the mark of the last block
                if (!isLast)
                {
                    piece.WriteTo(result);
                }
            }

            if (isLast)
            {
                piece.WriteTo(result);
            }

            if (result.Length >= cluster.Length)
            {
                return null;
            }
        }

        return result.ToArray();
    }
}
