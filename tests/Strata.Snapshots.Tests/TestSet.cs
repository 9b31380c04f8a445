using System.Text.Json;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Snapshots.Memory;
using Strata.Snapshots.Sets;

namespace Strata.Snapshots.Tests;

/// <summary>A set in a folder of its own, and machines' memories made of bytes.</summary>
internal sealed class TestSet : IDisposable
{
    public const ulong Size = 4 << 20;
    private const int Page = (int)GuestMemory.PageSize;

    private readonly string _folder = Directory.CreateTempSubdirectory("strata-snapshots").FullName;

    public TestSet() => Set = new SnapshotSet(Path.Combine(_folder, "machine"));

    public SnapshotSet Set { get; }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    public string PathOf(string name) => Path.Combine(_folder, name);

    /// <summary>Saves a memory as a snapshot, on what changed since another.</summary>
    public async Task<SnapshotManifest> CreateAsync(
        string name, byte[] memory, MemoryImage? parent = null, PageBitmap? changed = null, IReadOnlyList<DiskManifest>? disks = null)
    {
        using SnapshotDraft draft = await Set.BeginAsync(name);
        using MemoryImageBuilder builder = draft.BuildMemory(Size, parent, changed);
        foreach (ulong page in builder.Pages)
        {
            builder.Save(page, memory.AsSpan((int)page * Page, Page));
        }

        using MemoryImage image = builder.Complete();
        SnapshotManifest manifest = Manifest(draft, image, builder.Written) with { Disks = disks ?? [] };
        draft.Write([new UnitRecord("clock", new byte[] { 1, 2, 3 }), new UnitRecord("uart0", Array.Empty<byte>())], image);
        draft.Commit(manifest);
        return manifest;
    }

    public static SnapshotManifest Manifest(SnapshotDraft draft, MemoryImage image, long stored) => new()
    {
        Format = SnapshotManifest.NewestFormat,
        Name = draft.Name,
        Id = draft.Id,
        Created = DateTime.UnixEpoch,
        Version = "0.1.0",
        Engine = "interpreter",
        GuestTime = 5,
        Memory = new MemoryManifest { Size = Size, Layers = [.. image.Layers.Select(layer => layer.Name)], Stored = stored },
        Machine = JsonDocument.Parse("{}").RootElement,
    };

    public static byte[] ReadMemory(Snapshot snapshot)
    {
        byte[] memory = new byte[Size];
        for (int chunk = 0; chunk < snapshot.Memory.Map.Count; chunk++)
        {
            snapshot.Memory.ReadChunk(chunk, memory.AsSpan(chunk * ChunkMap.ChunkSize, ChunkMap.ChunkSize));
        }

        return memory;
    }

    public static byte[] SomeMemory(int seed)
    {
        byte[] memory = new byte[Size];
        Random random = new(seed);
        for (int i = 0; i < 100; i++)
        {
            random.NextBytes(memory.AsSpan(random.Next(0, (int)Size / Page) * Page, Page));
        }

        return memory;
    }
}
