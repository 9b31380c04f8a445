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
    /// <param name="offset">Bytes, as is <paramref name="length"/>: multiples of a sector, inside the disk, and no more than the chain has.</param>
    /// <returns>False if a buffer is no RAM; what came before it has been written.</returns>
    /// <exception cref="IOException">The disk failed.</exception>
    public static bool TryWrite(IBlockBackend disk, long offset, long length, ref ChainReader reader)
    {
        Span<byte> sector = stackalloc byte[SectorSize];
        for (long end = offset + length; offset < end;)
        {
            if (!reader.TryTake((int)Math.Min(end - offset, int.MaxValue), out Span<byte> data) || data.IsEmpty)
            {
                return false;
            }

            int whole = data.Length - (data.Length % SectorSize);
            if (whole > 0)
            {
                disk.Write(offset, data[..whole]);
                offset += whole;
            }

            Span<byte> rest = data[whole..];
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
            if (!writer.TryTake((int)Math.Min(end - offset, int.MaxValue), out Span<byte> place) || place.IsEmpty)
            {
                return false;
            }

            int whole = place.Length - (place.Length % SectorSize);
            if (whole > 0)
            {
                disk.Read(offset, place[..whole]);
                offset += whole;
            }

            Span<byte> rest = place[whole..];
            if (!rest.IsEmpty)
            {
                disk.Read(offset, sector);
                sector[..rest.Length].CopyTo(rest);
                if (!writer.TryWrite(sector[rest.Length..]))
                {
                    return false;
                }

                offset += SectorSize;
            }
        }

        return true;
    }
}
