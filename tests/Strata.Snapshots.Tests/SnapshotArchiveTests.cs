using System.Security.Cryptography;
using K4os.Compression.LZ4;
using K4os.Compression.LZ4.Streams;
using Strata.Core.Storage;
using Strata.Snapshots.Memory;
using Strata.Snapshots.Sets;
using Strata.Snapshots.Transfer;

namespace Strata.Snapshots.Tests;

public sealed class SnapshotArchiveTests : IDisposable
{
    private readonly TestSet _from = new();
    private readonly TestSet _to = new();

    public void Dispose()
    {
        _from.Dispose();
        _to.Dispose();
    }

    [Fact]
    public async Task Read_WhatWasWritten_IsTheSameSnapshot()
    {
        byte[] memory = TestSet.SomeMemory(3);
        byte[] archive = await ExportAsync(memory);

        string name = await SnapshotArchive.ReadAsync(_to.Set, "copy", new MemoryStream(archive), NoDisk, AsItIs);

        using Snapshot copy = _to.Set.Open(name);
        Assert.Equal("copy", name);
        Assert.Equal(memory, TestSet.ReadMemory(copy));
        Assert.Equal([1, 2, 3], copy.Units[0].Bytes.ToArray());
        Assert.InRange(archive.Length, 1, 110 * 4096);
    }

    [Fact]
    public async Task Read_OfAMachineWithAnEmptyDrive_HasTheDrive()
    {
        DiskManifest drive = new() { Kind = DiskKind.Referenced, Path = string.Empty };
        byte[] memory = TestSet.SomeMemory(3);
        await _from.CreateAsync("one", memory, disks: [drive]);
        using MemoryStream archive = new();
        using (Snapshot snapshot = _from.Set.Open("one"))
        {
            SnapshotArchive.Write(snapshot, [null], archive);
        }

        archive.Position = 0;
        await SnapshotArchive.ReadAsync(_to.Set, "copy", archive, NoDisk, AsItIs);

        using Snapshot copy = _to.Set.Open("copy");
        DiskManifest read = Assert.Single(copy.Manifest.Disks);
        Assert.Equal((DiskKind.Referenced, string.Empty, 0), (read.Kind, read.Path, read.Chain.Count));
        Assert.Equal(memory, TestSet.ReadMemory(copy));
    }

    [Fact]
    public async Task Read_CutOffAnywhere_IsRefusedAndLeavesTheSetEmpty()
    {
        byte[] archive = await ExportAsync(TestSet.SomeMemory(3));
        Random random = new(1);
        for (int i = 0; i < 60; i++)
        {
            int length = i < 20 ? i : random.Next(archive.Length);

            await Assert.ThrowsAsync<SnapshotException>(
                () => SnapshotArchive.ReadAsync(_to.Set, null, new MemoryStream(archive, 0, length), NoDisk, AsItIs));
        }

        Assert.Empty(_to.Set.List());
    }

    [Fact]
    public async Task Read_Damaged_IsRefusedWithASentence()
    {
        byte[] archive = await ExportAsync(TestSet.SomeMemory(3));
        Random random = new(2);
        for (int i = 0; i < 300; i++)
        {
            byte[] damaged = [.. archive];
            for (int changes = random.Next(1, 5); changes > 0; changes--)
            {
                int at = i % 2 == 0 ? random.Next(Math.Min(3000, damaged.Length)) : random.Next(damaged.Length);
                damaged[at] ^= (byte)random.Next(1, 256);
            }

            // A flag of the LZ4 frame that says nothing of the content may change without harm.
            try
            {
                string name = await SnapshotArchive.ReadAsync(_to.Set, null, new MemoryStream(damaged), NoDisk, AsItIs);
                using (Snapshot copy = _to.Set.Open(name))
                {
                    Assert.Equal(TestSet.SomeMemory(3), TestSet.ReadMemory(copy));
                }

                await _to.Set.DeleteAsync(name);
            }
            catch (SnapshotException error)
            {
                Assert.NotEmpty(error.Message);
            }
        }

        Assert.Empty(_to.Set.List());
    }

    private async Task<byte[]> ExportAsync(byte[] memory)
    {
        await _from.CreateAsync("one", memory);
        using Snapshot snapshot = _from.Set.Open("one");
        using MemoryStream output = new();
        SnapshotArchive.Write(snapshot, [], output);
        return output.ToArray();
    }

    /// <summary>Set STRATA_LONG_TESTS=1 for 10,000 changes.</summary>
    [Fact]
    public async Task Read_ChangedWithADigestThatIsRight_IsRefusedOrWholeAndWritesNowhereElse()
    {
        byte[] content = Unpack(await ExportAsync(TestSet.SomeMemory(3)));
        int changes = Environment.GetEnvironmentVariable("STRATA_LONG_TESTS") == "1" ? 10_000 : 100;
        int refused = 0;
        for (int i = 0; i < changes; i++)
        {
            Random random = new(i);
            byte[] archive = Pack(Change(content[..^SHA256.HashSizeInBytes], random));
            try
            {
                string name = await SnapshotArchive.ReadAsync(_to.Set, "copy", new MemoryStream(archive), NoDisk, AsItIs);
                using (Snapshot copy = _to.Set.Open(name))
                {
                    copy.Memory.ReadChunk(0, new byte[ChunkMap.ChunkSize]);
                }

                await _to.Set.DeleteAsync(name);
            }
            catch (SnapshotException error)
            {
                Assert.NotEmpty(error.Message);
                refused++;
            }
        }

        Assert.InRange(refused, 1, changes - 1);
        Assert.Empty(_to.Set.List());
        Assert.Equal([_to.Set.Folder], Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(_to.Set.Folder)!));
    }

    /// <summary>A part of the content, most often of its first, where sizes and names are.</summary>
    private static byte[] Change(byte[] content, Random random)
    {
        byte[] changed = [.. content];
        int at = random.Next(random.Next(4) == 0 ? changed.Length - 8 : 1200);
        switch (random.Next(4))
        {
            case 0:
                return changed[..at];
            case 1:
                changed.AsSpan(at, random.Next(1, 9)).Fill(random.Next(2) == 0 ? (byte)0xFF : (byte)0x7F);
                return changed;
            case 2:
                return [.. changed[..at], .. new byte[random.Next(1, 100)], .. changed[at..]];
            default:
                changed[at] ^= (byte)random.Next(1, 256);
                return changed;
        }
    }

    private static byte[] Unpack(byte[] archive)
    {
        using LZ4DecoderStream packed = LZ4Stream.Decode(new MemoryStream(archive));
        using MemoryStream content = new();
        packed.CopyTo(content);
        return content.ToArray();
    }

    private static byte[] Pack(byte[] content)
    {
        using MemoryStream archive = new();
        using (LZ4EncoderStream packed = LZ4Stream.Encode(archive, LZ4Level.L00_FAST, leaveOpen: true))
        {
            packed.Write(content);
            packed.Write(SHA256.HashData(content));
        }

        return archive.ToArray();
    }

    private static SnapshotManifest AsItIs(SnapshotManifest manifest) => manifest;

    private static IBlockBackend NoDisk(string path, long size) => throw new InvalidOperationException("The snapshot has no disks.");
}
