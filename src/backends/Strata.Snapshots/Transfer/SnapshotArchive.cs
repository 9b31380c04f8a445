using System.Text.Json;
using K4os.Compression.LZ4;
using K4os.Compression.LZ4.Streams;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Core.Storage;
using Strata.Snapshots.Memory;
using Strata.Snapshots.Sets;

namespace Strata.Snapshots.Transfer;

/// <summary>
/// A snapshot as one file, to be kept or sent: it needs neither the set nor the disks' own files. An LZ4 frame around
/// <code>
/// "STRATA-SNAPSHOT\n"   number: layout
/// block: manifest.json   block: units.bin
/// memory   { number: chunk of 64 KiB, ascending   its bytes } …   number: −1
/// a disk   number: bytes of the disk, 0 for an empty drive   { number: cluster of 64 KiB, ascending   its bytes } …   number: −1
/// 32 bytes: SHA-256 of everything before
/// </code>
/// Numbers have 64 bits, little-endian; a block is a number of bytes and the bytes. What is all zeros is left out. Nothing in it is
/// trusted: names and paths of the manifest are replaced when it is read.
/// </summary>
public static class SnapshotArchive
{
    private const long Layout = 1;
    private const long End = -1;
    private const int LargestManifest = 4 << 20;
    private const long LargestDisk = 1L << 46; // whose clusters can still be counted in memory
    private const int Unit = ChunkMap.ChunkSize;

    private static ReadOnlySpan<byte> Magic => "STRATA-SNAPSHOT\n"u8;

    /// <summary>Writes a snapshot.</summary>
    /// <param name="disks">The content of each disk of the manifest, as it was; null for an empty drive.</param>
    /// <param name="progress">Bytes of memory and disks read so far, and of all of them.</param>
    public static void Write(
        Snapshot snapshot, IReadOnlyList<IBlockBackend?> disks, Stream output, IProgress<(long Done, long Total)>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(disks);
        ArgumentOutOfRangeException.ThrowIfNotEqual(disks.Count, snapshot.Manifest.Disks.Count, nameof(disks));
        using LZ4EncoderStream packed = LZ4Stream.Encode(output, LZ4Level.L00_FAST, leaveOpen: true);
        using ArchiveStream archive = new(packed);
        Meter meter = new((long)snapshot.Memory.Size + disks.Sum(disk => (disk?.Sectors ?? 0) * 512), progress, cancellationToken);
        archive.Write(Magic);
        archive.Write(Layout);
        archive.WriteBlock(JsonSerializer.SerializeToUtf8Bytes(snapshot.Manifest, SnapshotJson.Default.SnapshotManifest));
        archive.WriteBlock(UnitFile.Write([.. snapshot.Units]));
        byte[] unit = new byte[Unit];
        for (int chunk = 0; chunk < snapshot.Memory.Map.Count; chunk++)
        {
            if (snapshot.Memory.Map[chunk] != ChunkMap.Zeros)
            {
                snapshot.Memory.ReadChunk(chunk, unit);
                WriteUnit(archive, chunk, unit);
            }

            meter.Add(Unit);
        }

        archive.Write(End);
        foreach (IBlockBackend? disk in disks)
        {
            WriteDisk(archive, disk, unit, meter);
        }

        archive.WriteDigest();
    }

    /// <summary>Reads an archive into a set.</summary>
    /// <param name="name">What the snapshot is called there; null for the name that it had.</param>
    /// <param name="createDisk">Makes an empty image at a path, with so many bytes.</param>
    /// <param name="adopt">Makes of the manifest, whose disks and memory are the set's already, what the set is to have.</param>
    /// <returns>The name.</returns>
    /// <exception cref="SnapshotException">It is damaged, or no snapshot; the set is as it was.</exception>
    public static async Task<string> ReadAsync(
        SnapshotSet set,
        string? name,
        Stream input,
        Func<string, long, IBlockBackend> createDisk,
        Func<SnapshotManifest, SnapshotManifest> adopt,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(createDisk);
        ArgumentNullException.ThrowIfNull(adopt);
        try
        {
            using LZ4DecoderStream packed = LZ4Stream.Decode(input, leaveOpen: true);
            using ArchiveStream archive = new(packed);
            ReadHead(archive);
            SnapshotManifest manifest = Snapshot.ParseManifest(archive.ReadBlock("manifest", LargestManifest), name ?? "in the archive");
            name ??= manifest.Name;
            IReadOnlyList<UnitRecord> units = UnitFile.Read(archive.ReadBlock("unit file", UnitFile.Largest));
            using SnapshotDraft draft = await set.BeginAsync(name, cancellationToken).ConfigureAwait(false);
            (MemoryImage memory, long written) = ReadMemory(archive, draft, manifest.Memory.Size, cancellationToken);
            using MemoryImage released = memory;
            List<DiskManifest> disks = [];
            foreach (DiskManifest disk in manifest.Disks)
            {
                disks.Add(ReadDisk(archive, draft, disk, disks.Count, createDisk, cancellationToken));
            }

            archive.CheckDigest();
            draft.Write(units, memory);
            draft.Commit(adopt(manifest with
            {
                Name = name,
                Id = draft.Id,
                Parent = null,
                Memory = new MemoryManifest
                {
                    Size = memory.Size,
                    Layers = [.. memory.Layers.Select(layer => layer.Name)],
                    Stored = written,
                },
                Disks = disks,
            }));
            return name;
        }
        catch (StateException error)
        {
            throw new SnapshotException($"The archive cannot be used. {error.Message}", error);
        }
    }

    private static void ReadHead(ArchiveStream archive)
    {
        byte[] magic = new byte[Magic.Length];
        archive.Read(magic);
        if (!Magic.SequenceEqual(magic))
        {
            throw new SnapshotException("The file is no snapshot; give one that strata snapshot export wrote.");
        }

        long layout = archive.ReadNumber();
        if (layout != Layout)
        {
            throw new SnapshotException($"The archive has the layout {layout}, and this version reads {Layout}; use a newer Strata.");
        }
    }

    private static (
        MemoryImage Image,
        long Written) ReadMemory(ArchiveStream archive, SnapshotDraft draft, ulong size, CancellationToken cancellationToken)
    {
        using MemoryImageBuilder builder = draft.BuildMemory(size, parent: null, changed: null);
        const int PagesPerUnit = Unit / (int)GuestMemory.PageSize;
        UnitReader save = (chunk, bytes) =>
        {
            for (int i = 0; i < PagesPerUnit; i++)
            {
                builder.Save((ulong)((chunk * PagesPerUnit) + i), bytes.Slice(i * (int)GuestMemory.PageSize, (int)GuestMemory.PageSize));
            }
        };
        ReadUnits(archive, (long)(size / Unit), save, cancellationToken);
        return (builder.Complete(), builder.Written);
    }

    private static DiskManifest ReadDisk(
        ArchiveStream archive, SnapshotDraft draft, DiskManifest disk, int index, Func<string, long, IBlockBackend> createDisk,
        CancellationToken cancellationToken)
    {
        long size = archive.ReadNumber();
        if (size == 0 && disk is { Kind: DiskKind.Referenced, Path.Length: 0 })
        {
            ReadUnits(archive, 0, (_, _) => { }, cancellationToken);
            return disk;
        }

        if (size <= 0 || size % 512 != 0 || size > LargestDisk)
        {
            throw new SnapshotException($"The archive's disk {index} claims {size:N0} bytes, which no disk has: it is damaged.");
        }

        (string file, string path) = draft.AddDisk(index);
        using IBlockBackend target = createDisk(path, size);
        UnitReader save = (cluster, bytes) => target.Write(cluster * Unit, bytes[..(int)Math.Min(Unit, size - (cluster * Unit))]);
        ReadUnits(archive, (size + Unit - 1) / Unit, save, cancellationToken);
        target.Flush();
        return disk with { Kind = DiskKind.Stored, Chain = [file], Path = path, Check = null };
    }

    private static void ReadUnits(ArchiveStream archive, long count, UnitReader take, CancellationToken cancellationToken)
    {
        byte[] unit = new byte[Unit];
        long next = 0;
        for (long index = archive.ReadNumber(); index != End; index = archive.ReadNumber())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (index < next || index >= count)
            {
                throw new SnapshotException($"The archive has the unit {index} of {count} at a place where it cannot be: it is damaged.");
            }

            archive.Read(unit);
            take(index, unit);
            next = index + 1;
        }
    }

    private static void WriteDisk(ArchiveStream archive, IBlockBackend? disk, byte[] unit, Meter meter)
    {
        long size = (disk?.Sectors ?? 0) * 512;
        archive.Write(size);
        for (long offset = 0; offset < size; offset += Unit)
        {
            int length = (int)Math.Min(Unit, size - offset);
            disk!.Read(offset, unit.AsSpan(0, length));
            unit.AsSpan(length).Clear();
            WriteUnit(archive, offset / Unit, unit);
            meter.Add(length);
        }

        archive.Write(End);
    }

    private static void WriteUnit(ArchiveStream archive, long index, ReadOnlySpan<byte> bytes)
    {
        if (bytes.ContainsAnyExcept((byte)0))
        {
            archive.Write(index);
            archive.Write(bytes);
        }
    }

    private delegate void UnitReader(long index, ReadOnlySpan<byte> bytes);

    private sealed class Meter(long total, IProgress<(long Done, long Total)>? progress, CancellationToken cancellationToken)
    {
        private long _done;

        public void Add(long bytes)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _done += bytes;
            progress?.Report((_done, total));
        }
    }
}
