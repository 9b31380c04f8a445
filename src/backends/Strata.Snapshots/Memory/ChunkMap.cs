using System.Buffers.Binary;

namespace Strata.Snapshots.Memory;

/// <summary>
/// Where the bytes of a memory are: for each chunk of 64 KiB the layer that has it, or none for zeros. A chunk lies in its layer at the
/// offset that it has in the memory. Built on one thread, then read only.
/// <code>
/// bytes of a map: one 16-bit number a chunk, little-endian: 0 zeros, n layer n − 1
/// </code>
/// </summary>
public sealed class ChunkMap
{
    /// <summary>Bytes of a chunk: large enough that a memory has few runs, small enough that a changed page costs little.</summary>
    public const int ChunkSize = 64 << 10;

    /// <summary>The value of a chunk of zeros.</summary>
    public const ushort Zeros = 0;

    private readonly ushort[] _layers;

    /// <summary>A map of zeros.</summary>
    /// <param name="size">Bytes of the memory; a multiple of <see cref="ChunkSize"/>.</param>
    public ChunkMap(ulong size)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(size % ChunkSize, 0UL, nameof(size));
        Size = size;
        _layers = new ushort[checked((int)(size / ChunkSize))];
    }

    /// <summary>Bytes of the memory.</summary>
    public ulong Size { get; }

    /// <summary>Chunks of the memory.</summary>
    public int Count => _layers.Length;

    /// <summary>Bytes of <see cref="ToBytes"/>.</summary>
    public int ByteCount => _layers.Length * sizeof(ushort);

    /// <summary><see cref="Zeros"/>, or the number of the chunk's layer, from 1.</summary>
    public ushort this[int chunk]
    {
        get => _layers[chunk];
        set => _layers[chunk] = value;
    }

    /// <summary>Reads a map. The bytes are not trusted.</summary>
    /// <param name="layers">How many layers there are.</param>
    /// <exception cref="SnapshotException">It has another length, or names a layer that is not there.</exception>
    public static ChunkMap Parse(ReadOnlySpan<byte> bytes, ulong size, int layers)
    {
        ChunkMap map = new(size);
        if (bytes.Length != map.ByteCount)
        {
            throw new SnapshotException(
                $"The snapshot's page map has {bytes.Length:N0} bytes; a memory of {size >> 20} MiB needs {map.ByteCount:N0}.");
        }

        for (int i = 0; i < map.Count; i++)
        {
            ushort layer = BinaryPrimitives.ReadUInt16LittleEndian(bytes[(i * sizeof(ushort))..]);
            map._layers[i] = layer <= layers
                ? layer
                : throw new SnapshotException($"The snapshot's page map names layer {layer} of {layers} for chunk {i}.");
        }

        return map;
    }

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[ByteCount];
        for (int i = 0; i < _layers.Length; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(i * sizeof(ushort)), _layers[i]);
        }

        return bytes;
    }

    /// <summary>Runs of chunks that lie in one layer, or are zeros, in ascending order.</summary>
    public IEnumerable<ChunkRun> Runs()
    {
        for (int first = 0; first < _layers.Length;)
        {
            int end = first + 1;
            while (end < _layers.Length && _layers[end] == _layers[first])
            {
                end++;
            }

            yield return new ChunkRun((ulong)first * ChunkSize, (ulong)(end - first) * ChunkSize, _layers[first]);
            first = end;
        }
    }
}
