using Strata.Core.Memory;
using Strata.Core.Storage;
using Strata.Virtio.Queue;
using static Strata.Virtio.Block.BlockLayout;

namespace Strata.Virtio.Block;

/// <summary>
/// Moves sectors between a disk and a chain whose buffers may be cut anywhere. Whole sectors that lie together in guest memory move
/// directly; one that is cut goes through a copy.
/// </summary>
internal static class SectorTransfer
{
    /// <summary>Writes the chain's next bytes to the disk.</summary>
    /// <param name="offset">Bytes, as is <paramref name="length"/>: multiples of a sector, inside the disk, and no more than the chain
    /// has.</param>
    /// <returns>False if a buffer is no RAM; what came before it has been written.</returns>
    /// <exception cref="IOException">The disk failed.</exception>
    public static bool TryWrite(IBlockBackend disk, long offset, long length, ref ChainReader reader)
    {
        Span<byte> sector = stackalloc byte[SectorSize];
        for (long end = offset + length; offset < end;)
        {
            if (!reader.TryTake((int)Math.Min(end - offset, int.MaxValue), out ReadOnlySpan<byte> data) || data.IsEmpty)
            {
                return false;
            }

            int whole = data.Length - (data.Length % SectorSize);
            if (whole > 0)
            {
                disk.Write(offset, data[..whole]);
                offset += whole;
            }

            ReadOnlySpan<byte> rest = data[whole..];
            if (!rest.IsEmpty)
            {
                rest.CopyTo(sector);
                if (!reader.TryRead(sector[rest.Length..], out int count) || rest.Length + count < SectorSize)
                {
                    return false;
                }

                disk.Write(offset, sector);
                offset += SectorSize;
            }
        }

        return true;
    }

    /// <summary>Reads from the disk into the chain's next bytes.</summary>
    /// <inheritdoc cref="TryWrite"/>
    /// <returns>False if a buffer is no RAM; those before it have been filled.</returns>
    public static bool TryRead(IBlockBackend disk, long offset, long length, ref ChainWriter writer)
    {
        Span<byte> sector = stackalloc byte[SectorSize];
        for (long end = offset + length; offset < end;)
        {
            if (!writer.TryTake((int)Math.Min(end - offset, int.MaxValue), out DmaWrite write) || write.IsEmpty)
            {
                return false;
            }

            int cut = write.Span.Length % SectorSize;
            using (write)
            {
                int whole = write.Span.Length - cut;
                if (whole > 0)
                {
                    disk.Read(offset, write.Span[..whole]);
                    offset += whole;
                }

                if (cut > 0)
                {
                    disk.Read(offset, sector);
                    sector[..cut].CopyTo(write.Span[whole..]);
                }
            }

            if (cut > 0)
            {
                if (!writer.TryWrite(sector[cut..]))
                {
                    return false;
                }

                offset += SectorSize;
            }
        }

        return true;
    }
}
