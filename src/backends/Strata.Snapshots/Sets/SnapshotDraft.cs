using System.Text.Json;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Snapshots.Code;
using Strata.Snapshots.Memory;

namespace Strata.Snapshots.Sets;

/// <summary>
/// A snapshot that is being made. Disposing one that was not committed removes what it has written. One thread at a time.
/// </summary>
public sealed class SnapshotDraft : IDisposable
{
    private readonly SnapshotSet _set;
    private readonly FileStream _hold;
    private readonly string _folder;
    private readonly List<string> _files = [];
    private readonly List<(string Name, byte[] Bytes)> _written = [];
    private bool _committed;

    internal SnapshotDraft(SnapshotSet set, string name, FileStream hold)
    {
        _set = set;
        _hold = hold;
        Name = name;
        Id = Guid.NewGuid();
        _folder = Path.Combine(set.Folder, SnapshotSet.NewPrefix + Id.ToString("N"));
        SnapshotFolder.Create(_folder);
    }

    public string Name { get; }

    public Guid Id { get; }

    /// <summary>The set that it will be in.</summary>
    public string SetFolder => _set.Folder;

    /// <summary>A builder for the snapshot's memory, with a new layer in the set.</summary>
    /// <param name="size">Bytes of the memory.</param>
    /// <param name="parent">An image of the same memory from before, or null. It counts only as long as the set has all of its
    /// layers.</param>
    /// <param name="changed">The pages that may differ from the parent's; of no meaning without one.</param>
    public MemoryImageBuilder BuildMemory(ulong size, MemoryImage? parent, PageBitmap? changed)
    {
        if (parent is not null && !HasLayersOf(parent))
        {
            parent = null; // of another set, or the snapshots that had them were deleted
        }

        string name = $"{Id:N}.mem";
        string path = _set.PathOfLayer(name);
        _files.Add(path);
        return new MemoryImageBuilder(size, parent, changed, name, SnapshotFolder.CreateFile(path));
    }

    /// <summary>Whether the set has all layers of an image, so that a snapshot in it can share them.</summary>
    public bool HasLayersOf(MemoryImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        return image.Layers.All(layer => File.Exists(_set.PathOfLayer(layer.Name)));
    }

    /// <summary>The name and path of a disk's image in the set, for the caller to write.</summary>
    /// <param name="index">Of the disk.</param>
    public (string Name, string Path) AddDisk(int index)
    {
        string name = $"{Id:N}-{index}.qcow2";
        string path = _set.PathOfDisk(name);
        _files.Add(path);
        return (name, path);
    }

    /// <summary>The path of a disk's image that is in the set already.</summary>
    public string PathOfDisk(string name) => _set.PathOfDisk(name);

    /// <summary>
    /// A file for the code that engines have made. It is no part that is needed: it is not brought to stable storage, and has its own seal.
    /// </summary>
    /// <param name="identity">The engine's.</param>
    /// <param name="key">The user's own, of 32 bytes.</param>
    /// <exception cref="IOException">It cannot be made.</exception>
    public KeptCodeWriter KeepCode(ReadOnlyMemory<byte> identity, byte[] key) =>
        new(Path.Combine(_folder, KeptCodeFile.Name), identity, key);

    /// <summary>
    /// Brings all but the manifest to stable storage, in a set that is durable. The images of disks have been flushed by whoever wrote
    /// them.
    /// </summary>
    /// <param name="memory">Made by <see cref="BuildMemory"/>.</param>
    /// <exception cref="IOException">The files cannot be written.</exception>
    public void Write(IReadOnlyCollection<UnitRecord> units, MemoryImage memory)
    {
        ArgumentNullException.ThrowIfNull(units);
        ArgumentNullException.ThrowIfNull(memory);
        WriteFile(SnapshotSet.UnitsFile, UnitFile.Write(units));
        WriteFile(SnapshotSet.PagesFile, memory.Map.ToBytes());
        foreach (MemoryLayer layer in memory.Layers.Where(layer => _set.IsDurable && _files.Contains(_set.PathOfLayer(layer.Name))))
        {
            ReserveHoles(memory, layer);
            RandomAccess.FlushToDisk(layer.File);
        }

        _set.FlushFolder(_set.LayerFolder);
        _set.FlushFolder(_set.DiskFolder);
    }

    /// <summary>
    /// Makes the snapshot, behind <see cref="Write"/>: after this it is there, whole, and on stable storage if the set is durable.
    /// </summary>
    /// <param name="manifest">What it is; its name, identity and memory are the draft's.</param>
    /// <exception cref="IOException">The files cannot be written.</exception>
    public void Commit(SnapshotManifest manifest)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        WriteFile(SnapshotSet.ManifestFile, JsonSerializer.SerializeToUtf8Bytes(manifest, SnapshotJson.Default.SnapshotManifest));
        SnapshotFolder.WriteFile(Path.Combine(_folder, DigestFile.Name), DigestFile.Write(_written), _set.IsDurable);
        _set.FlushFolder(_folder);
        Directory.Move(_folder, _set.PathOf(Name));
        _committed = true;
        _set.FlushFolder(_set.Folder);
    }

    public void Dispose()
    {
        if (!_committed && Directory.Exists(_folder))
        {
            _files.ForEach(File.Delete);
            Directory.Delete(_folder, recursive: true);
        }

        _hold.Dispose();
    }

    /// <summary>A chunk's pages of zeros are holes, which cost nothing, but in a file system that lies in memory.</summary>
    private static void ReserveHoles(MemoryImage memory, MemoryLayer layer)
    {
        if (!SnapshotFolder.IsInMemory(layer.File))
        {
            return;
        }

        foreach (ChunkRun run in memory.Map.Runs().Where(run => run.Layer != ChunkMap.Zeros && memory.Layers[run.Layer - 1] == layer))
        {
            SnapshotFolder.Reserve(layer.File, (long)run.Offset, (long)run.Length);
        }
    }

    private void WriteFile(string name, byte[] bytes)
    {
        SnapshotFolder.WriteFile(Path.Combine(_folder, name), bytes, _set.IsDurable);
        _written.Add((name, bytes));
    }
}
