
namespace Strata.Snapshots.Memory;

/// <summary>
/// What a machine's memory held at a moment: layers, and which of them has which chunk. Never changes. Safe on any thread.
/// </summary>
public sealed partial class MemoryImage : IDisposable
{
    /// <summary>Most layers of an image: a builder that would need more stores everything anew.</summary>
    public const int MostLayers = 32;

    private readonly MemoryLayer[] _layers;
    private bool _disposed;

    /// <param name="layers">Released with the image.</param>
    internal MemoryImage(ChunkMap map, MemoryLayer[] layers)
    {
        Map = map;
        _layers = layers;
    }

    /// <summary>The memory of a machine that has not been started: nothing but zeros.</summary>
    /// <param name="size">Bytes; a whole number of MiB.</param>
    public static MemoryImage Zeros(ulong size) => new(new ChunkMap(size), []);

    /// <summary>Bytes of the memory.</summary>
    public ulong Size => Map.Size;

    public ChunkMap Map { get; }

    /// <summary>Layer n of the map is the element n − 1.</summary>
    public IReadOnlyList<MemoryLayer> Layers => _layers;

    /// <summary>The same image for another owner.</summary>
    public MemoryImage Share()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new MemoryImage(Map, [.. _layers.Select(layer => layer.Share())]);
    }

    /// <summary>Reads the bytes of one chunk.</summary>
    /// <param name="chunk">Its index.</param>
    /// <param name="target">Of <see cref="ChunkMap.ChunkSize"/>.</param>
    /// <exception cref="SnapshotException">The layer ends before.</exception>
    public void ReadChunk(int chunk, Span<byte> target)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(target.Length, ChunkMap.ChunkSize, nameof(target));
        if (Map[chunk] == ChunkMap.Zeros)
        {
            target.Clear();
            return;
        }

        MemoryLayer layer = _layers[Map[chunk] - 1];
        long offset = (long)chunk * ChunkMap.ChunkSize;
        while (!target.IsEmpty)
        {
            int count = RandomAccess.Read(layer.File, target, offset);
            if (count == 0)
            {
                throw new SnapshotException(
                    $"The memory layer {layer.Name} ends at byte {offset:N0}, inside of the memory: it has been cut off.");
            }

            target = target[count..];
            offset += count;
        }
    }

    public void Dispose()
    {
        if (!Interlocked.Exchange(ref _disposed, true))
        {
            Array.ForEach(_layers, layer => layer.Release());
        }
    }
}
