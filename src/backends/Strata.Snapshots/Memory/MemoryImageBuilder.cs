using Microsoft.Win32.SafeHandles;
using Strata.Core.Memory;

namespace Strata.Snapshots.Memory;

/// <summary>
/// Makes an image of a memory while its machine goes on: a new layer for the chunks that changed since another image, which the new one
/// takes the others from. <see cref="Pages"/> says what is to be saved, <see cref="Save"/> takes it, <see cref="Complete"/> makes the
/// image.
/// </summary>
public sealed class MemoryImageBuilder : IDisposable
{
    private const int PagesPerChunk = (int)(ChunkMap.ChunkSize / GuestMemory.PageSize);

    private readonly ulong _size;
    private readonly MemoryImage? _parent;
    private readonly SafeFileHandle _file;
    private readonly string _name;

    /// <summary>For each chunk: whether a page of it was written to the new layer. Set from any thread.</summary>
    private readonly bool[] _hasData;
    private readonly bool[] _isStored;
    private long _written;
    private bool _completed;

    /// <param name="size">Bytes of the memory.</param>
    /// <param name="parent">An image of the same memory from before, or null. It has to live until <see cref="Complete"/>.</param>
    /// <param name="changed">The pages that may differ from the parent's; of no meaning without one.</param>
    /// <param name="name">Of the new layer.</param>
    /// <param name="file">An empty file for the new layer, open for reading and writing; disposed with this, unless an image has
    /// it.</param>
    public MemoryImageBuilder(ulong size, MemoryImage? parent, PageBitmap? changed, string name, SafeFileHandle file)
    {
        ArgumentNullException.ThrowIfNull(file);
        _size = size;
        _name = name;
        _file = file;
        int chunks = checked((int)(size / ChunkMap.ChunkSize));
        _hasData = new bool[chunks];
        _isStored = new bool[chunks];
        _parent = parent is not null && changed is not null && parent.Size == size && parent.Layers.Count < MemoryImage.MostLayers
            ? parent
            : null;
        Pages = new PageBitmap(size / GuestMemory.PageSize);
        if (_parent is null)
        {
            Array.Fill(_isStored, true);
        }
        else
        {
            foreach (ulong page in changed!)
            {
                _isStored[(int)(page / PagesPerChunk)] = true;
            }
        }

        for (int chunk = 0; chunk < chunks; chunk++)
        {
            for (int i = 0; _isStored[chunk] && i < PagesPerChunk; i++)
            {
                Pages.Add(((ulong)chunk * PagesPerChunk) + (ulong)i);
            }
        }

        RandomAccess.SetLength(file, (long)size);
    }

    /// <summary>The pages that have to be saved: all of every chunk that has changed.</summary>
    public PageBitmap Pages { get; }

    /// <summary>Bytes written to the new layer so far.</summary>
    public long Written => Interlocked.Read(ref _written);

    /// <summary>Takes a page's bytes. Any thread, each page once; a page of zeros costs nothing.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(ulong page, ReadOnlySpan<byte> bytes)
    {
        if (bytes.ContainsAnyExcept((byte)0))
        {
            RandomAccess.Write(_file, bytes, (long)(page * GuestMemory.PageSize));
            Volatile.Write(ref _hasData[(int)(page / PagesPerChunk)], true);
            Interlocked.Add(ref _written, bytes.Length);
        }
    }

    /// <summary>Makes the image, when every page of <see cref="Pages"/> has been saved; once. Dispose this afterwards as well.</summary>
    public MemoryImage Complete()
    {
        ObjectDisposedException.ThrowIf(_completed, this);
        ChunkMap map = new(_size);
        List<MemoryLayer> layers = [];
        Dictionary<ushort, ushort> ofParent = [];
        MemoryLayer? added = null;
        for (int chunk = 0; chunk < map.Count; chunk++)
        {
            if (!_isStored[chunk])
            {
                map[chunk] = Take(_parent!, _parent!.Map[chunk], layers, ofParent);
            }
            else if (_hasData[chunk])
            {
                added ??= new MemoryLayer(_name, _file);
                map[chunk] = ushort.MaxValue; // its number is known when those of the parent are
            }
        }

        if (added is not null)
        {
            layers.Add(added);
            _completed = true;
            for (int chunk = 0; chunk < map.Count; chunk++)
            {
                map[chunk] = map[chunk] == ushort.MaxValue ? (ushort)layers.Count : map[chunk];
            }
        }

        return new MemoryImage(map, [.. layers]);
    }

    /// <summary>Closes the file of a layer that no image has.</summary>
    public void Dispose()
    {
        if (!_completed)
        {
            _file.Dispose();
        }
    }

    /// <summary>The number that a layer of the parent has in the new image.</summary>
    private static ushort Take(MemoryImage parent, ushort layer, List<MemoryLayer> layers, Dictionary<ushort, ushort> taken)
    {
        if (layer == ChunkMap.Zeros)
        {
            return ChunkMap.Zeros;
        }

        if (!taken.TryGetValue(layer, out ushort number))
        {
            layers.Add(parent.Layers[layer - 1].Share());
            number = taken[layer] = (ushort)layers.Count;
        }

        return number;
    }
}
