using System.Text;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using Strata.Core.State;
using Strata.Snapshots.Code;
using Strata.Snapshots.Memory;

namespace Strata.Snapshots.Sets;

/// <summary>A snapshot that has been opened and checked; its memory is not read yet. Safe on any thread.</summary>
public sealed class Snapshot : IDisposable
{
    private const int LargestManifest = 4 << 20;
    private const int LargestDigests = 4096;
    private const int MostDisks = 64;

    /// <summary>Bytes of the largest memory that a machine can have.</summary>
    private const ulong LargestMemory = 1UL << 40;

    private readonly SnapshotSet _set;

    private Snapshot(SnapshotSet set, SnapshotManifest manifest, IReadOnlyList<UnitRecord> units, MemoryImage memory)
    {
        _set = set;
        Manifest = manifest;
        Units = units;
        Memory = memory;
    }

    public SnapshotManifest Manifest { get; }

    /// <summary>The units' records.</summary>
    public IReadOnlyList<UnitRecord> Units { get; }

    /// <summary>The memory, for mapping; it is read when it is used.</summary>
    public MemoryImage Memory { get; }

    /// <summary>Bytes of the code that is kept with it; zero if none is.</summary>
    public long CodeBytes => new FileInfo(CodePath) is { Exists: true } file ? file.Length : 0;

    private string CodePath => Path.Combine(_set.PathOf(Manifest.Name), KeptCodeFile.Name);

    /// <summary>Opens the code that is kept with it.</summary>
    /// <param name="identity">Of the engine that would take it over.</param>
    /// <param name="key">The user's own, of 32 bytes.</param>
    /// <param name="problem">Why it is of no use, as the end of a sentence; null if there is none, or it is used.</param>
    /// <returns>Null if it is of no use.</returns>
    public KeptCode? OpenCode(ReadOnlySpan<byte> identity, byte[] key, out string? problem)
    {
        ArgumentNullException.ThrowIfNull(key);
        problem = null;
        return File.Exists(CodePath) ? KeptCode.Open(CodePath, identity, key, out problem) : null;
    }

    /// <summary>The path of a stored disk's image.</summary>
    public string PathOfDisk(DiskManifest disk) => _set.PathOfDisk(disk.File!);

    public void Dispose() => Memory.Dispose();

    /// <exception cref="SnapshotException">It is damaged, or of a newer version.</exception>
    internal static Snapshot Open(SnapshotSet set, string name)
    {
        string folder = set.PathOf(name);
        SnapshotManifest manifest = ReadManifest(folder, name);
        string digests = Encoding.ASCII.GetString(SnapshotFolder.ReadFile(Path.Combine(folder, DigestFile.Name), LargestDigests));
        byte[] units = Read(SnapshotSet.UnitsFile, UnitFile.Largest);
        byte[] map = Read(SnapshotSet.PagesFile, new ChunkMap(manifest.Memory.Size).ByteCount);
        return new Snapshot(set, manifest, ReadUnits(units, name), OpenMemory(set, manifest, map));

        byte[] Read(string file, long most)
        {
            byte[] bytes = SnapshotFolder.ReadFile(Path.Combine(folder, file), most);
            DigestFile.Check(digests, file, bytes, name);
            return bytes;
        }
    }

    internal static SnapshotManifest ReadManifest(string folder, string name)
    {
        byte[] bytes = SnapshotFolder.ReadFile(Path.Combine(folder, SnapshotSet.ManifestFile), LargestManifest);
        string digests = Encoding.ASCII.GetString(SnapshotFolder.ReadFile(Path.Combine(folder, DigestFile.Name), LargestDigests));
        DigestFile.Check(digests, SnapshotSet.ManifestFile, bytes, name);
        return ParseManifest(bytes, name);
    }

    /// <summary>Reads a manifest that is not trusted.</summary>
    internal static SnapshotManifest ParseManifest(byte[] bytes, string name)
    {
        SnapshotManifest manifest;
        try
        {
            int format = FormatOf(bytes);
            if (format is < 1 or > SnapshotManifest.NewestFormat)
            {
                throw new SnapshotException(
                    $"The snapshot {name} has the format {format}, and this version reads 1 to {SnapshotManifest.NewestFormat}; use a " +
                    $"newer Strata.");
            }

            manifest = JsonSerializer.Deserialize(bytes, SnapshotJson.Default.SnapshotManifest)
                ?? throw new SnapshotException($"The snapshot {name} has an empty manifest; restore another one.");
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new SnapshotException($"The manifest of the snapshot {name} cannot be read: {error.Message}", error);
        }

        string? wrong = FindProblem(manifest);
        return wrong is null ? manifest : throw new SnapshotException($"The manifest of the snapshot {name} cannot be used: {wrong}.");
    }

    /// <summary>The format alone, as other formats may have other fields.</summary>
    private static int FormatOf(byte[] bytes)
    {
        using JsonDocument document = JsonDocument.Parse(bytes);
        return document.RootElement.TryGetProperty("format", out JsonElement format) && format.TryGetInt32(out int number)
            ? number
            : throw new JsonException("It does not state its format.");
    }

    /// <summary>An empty drive has no path.</summary>
    private static bool IsPlace(DiskManifest disk) =>
        Path.IsPathFullyQualified(disk.Path) || disk is { Kind: DiskKind.Referenced, Path.Length: 0, Check: null };

    private static string? FindProblem(SnapshotManifest manifest)
    {
        if (manifest.Memory.Size is 0 or > LargestMemory || manifest.Memory.Size % (1 << 20) != 0)
        {
            return $"its memory of {manifest.Memory.Size:N0} bytes is no whole number of MiB up to {LargestMemory >> 30} GiB";
        }

        if (manifest.Memory.Layers.Count > MemoryImage.MostLayers || manifest.Memory.Layers.Any(layer => !IsFileName(layer, ".mem")))
        {
            return $"its memory has impossible layers, or more than {MemoryImage.MostLayers}";
        }

        if (manifest.Disks.Count > MostDisks)
        {
            return $"it has {manifest.Disks.Count} disks, and a machine has at most {MostDisks}";
        }

        if (manifest.Disks.Any(
            disk => disk is null || !IsPlace(disk) || disk.Path.Contains('\0', StringComparison.Ordinal)))
        {
            return "a disk's path is none";
        }

        return manifest.Disks.Any(disk => !Enum.IsDefined(disk.Kind)
            || disk.Kind == DiskKind.Stored != disk.Chain.Count > 0
            || disk.Chain.Any(file => !IsFileName(file, ".qcow2")))
            ? "a disk's file has an impossible name"
            : null;
    }

    /// <summary>A name of a file in a folder of the set, which leads nowhere else.</summary>
    private static bool IsFileName(string? name, string ending) =>
        name is not null
            && name.EndsWith(ending, StringComparison.Ordinal)
            && name.Length is > 4 and < 80
            && name.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '.')
        && !name.StartsWith('.');

    private static IReadOnlyList<UnitRecord> ReadUnits(byte[] bytes, string name)
    {
        try
        {
            return UnitFile.Read(bytes);
        }
        catch (StateException error)
        {
            throw new SnapshotException($"The snapshot {name} cannot be used. {error.Message}", error);
        }
    }

    private static MemoryImage OpenMemory(SnapshotSet set, SnapshotManifest manifest, byte[] map)
    {
        List<MemoryLayer> layers = [];
        try
        {
            foreach (string layer in manifest.Memory.Layers)
            {
                SafeFileHandle file = SnapshotFolder.OpenFile(set.PathOfLayer(layer));
                layers.Add(new MemoryLayer(layer, file));
                if (RandomAccess.GetLength(file) != (long)manifest.Memory.Size)
                {
                    throw new SnapshotException(
                        $"The memory layer {layer} of the snapshot {manifest.Name} has {RandomAccess.GetLength(file):N0} bytes instead " +
                        $"of {manifest.Memory.Size:N0}: it has been changed.");
                }
            }

            return new MemoryImage(ChunkMap.Parse(map, manifest.Memory.Size, layers.Count), [.. layers]);
        }
        catch
        {
            layers.ForEach(layer => layer.Release());
            throw;
        }
    }
}
