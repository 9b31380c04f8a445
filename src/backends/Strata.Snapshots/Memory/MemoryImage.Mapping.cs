using Strata.Core.Memory;

namespace Strata.Snapshots.Memory;

/// <content>As the memory of a machine.</content>
public sealed partial class MemoryImage
{
    /// <summary>
    /// Most mappings of files: Linux allows a process 65,530 of all kinds by default, and several machines may share one. The shortest runs
    /// beyond are read at once.
    /// </summary>
    private const int MostMappings = 4096;

    /// <summary>A memory with this content: mapped, and read where a machine uses it. The image may be disposed meanwhile.</summary>
    /// <exception cref="InsufficientMemoryException">The host cannot map that much.</exception>
    public GuestMemory CreateMemory()
    {
        ChunkRun[] runs = [.. Map.Runs().Where(run => run.Layer != ChunkMap.Zeros)];
        ChunkRun[] mapped = runs.Length <= MostMappings ? runs : [.. runs.OrderByDescending(run => run.Length).Take(MostMappings)];
        GuestMemory memory = GuestMemory.MapPieces(
            Size, [.. mapped.Select(run => new MemoryPiece(run.Offset, run.Length, _layers[run.Layer - 1].File, run.Offset))]);
        try
        {
            byte[] chunk = new byte[ChunkMap.ChunkSize];
            foreach (ChunkRun run in runs.Except(mapped))
            {
                for (ulong offset = run.Offset; offset < run.Offset + run.Length; offset += ChunkMap.ChunkSize)
                {
                    ReadChunk((int)(offset / ChunkMap.ChunkSize), chunk);
                    memory.Write(offset, chunk);
                }
            }

            return memory;
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    /// <summary>Gives a memory that stands still this content: pages that differ are written, and noted.</summary>
    /// <param name="changed">Pages that may differ; null for all.</param>
    public void CopyTo(GuestMemory memory, PageBitmap? changed)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ArgumentOutOfRangeException.ThrowIfNotEqual(memory.Size, Size, nameof(memory));
        const int PageSize = (int)GuestMemory.PageSize;
        const int PagesPerChunk = ChunkMap.ChunkSize / PageSize;
        byte[] bytes = new byte[ChunkMap.ChunkSize];
        for (int chunk = 0; chunk < Map.Count; chunk++)
        {
            if (changed is not null
                && !Enumerable.Range(0, PagesPerChunk).Any(i => changed.Contains(((ulong)chunk * PagesPerChunk) + (ulong)i)))
            {
                continue;
            }

            ReadChunk(chunk, bytes);
            for (int i = 0; i < PagesPerChunk; i++)
            {
                ulong offset = ((ulong)chunk * ChunkMap.ChunkSize) + (ulong)(i * PageSize);
                ReadOnlySpan<byte> page = bytes.AsSpan(i * PageSize, PageSize);
                if (!memory.Slice(offset, PageSize).SequenceEqual(page))
                {
                    memory.Write(offset, page);
                }
            }
        }
    }
}
