using System.Buffers.Binary;
using System.Text;
using Strata.Disks.Qcow2;
using Strata.Disks.Tests.Harness;

namespace Strata.Disks.Tests.Qcow2;

/// <summary>What a header can say, and what is refused with a reason.</summary>
public sealed class Qcow2HeaderTests : IDisposable
{
    private const int DiskSize = 4 << 20;
    private readonly TemporaryFolder _folder = new();

    [Theory]
    [InlineData(72 + 7, 0x10, "subclusters")]
    [InlineData(72 + 7, 0x04, "another file")]
    [InlineData(72 + 6, 0x01, "bit 8")]
    [InlineData(35, 1, "encrypted")]
    [InlineData(104, 1, "zstd")]
    [InlineData(7, 4, "version 4")]
    [InlineData(23, 8, "outside the format")]
    [InlineData(23, 22, "outside the format")]
    [InlineData(99, 7, "outside the format")]
    [InlineData(31, 1, "whole number of sectors")]
    [InlineData(24, 0x40, "L1 table")]
    [InlineData(40, 0x7F, "lies outside")]
    [InlineData(52, 0x70, "outside the file")]
    [InlineData(59, 0xFF, "refcount table")]
    [InlineData(60, 0x7F, "snapshots")]
    public void Open_HeaderThatCannotBeUsed_SaysWhy(int offset, byte value, string reason)
    {
        string path = CreateDisk();
        Poke(path, offset, [value]);

        DiskImageException error = Assert.Throws<DiskImageException>(() => Open(path));

        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_UnknownFeatureThatTheImageNames_ShowsTheName()
    {
        string path = CreateDisk();
        byte[] image = File.ReadAllBytes(path);
        int name = image.AsSpan().IndexOf("dirty bit"u8);
        image[name - 1] = 9; // the entry now names bit 9
        "warp drive"u8.CopyTo(image.AsSpan(name));
        image[72 + 6] = 2;
        File.WriteAllBytes(path, image);

        Assert.Contains("warp drive", Assert.Throws<DiskImageException>(() => Open(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Write_ImageWithExtensionsThatNobodyKnows_KeepsThemAndClearsTheirAutoclearBit()
    {
        string path = CreateDisk();
        byte[] image = File.ReadAllBytes(path);
        BinaryPrimitives.WriteUInt32BigEndian(image.AsSpan(112), 0x12345678);
        BinaryPrimitives.WriteUInt32BigEndian(image.AsSpan(116), 5);
        "hello"u8.CopyTo(image.AsSpan(120));
        image.AsSpan(125, 400).Clear(); // padding and the end of extensions
        image[88] = 0x80;
        File.WriteAllBytes(path, image);

        using (DiskImage disk = Open(path))
        {
            disk.Write(0, new byte[512]);
        }

        byte[] after = File.ReadAllBytes(path);
        Assert.Equal(image.AsSpan(112, 16).ToArray(), after.AsSpan(112, 16).ToArray());
        Assert.Equal(0, after[88]);
    }

    [Fact]
    public void Write_ImageMarkedAsCorrupt_IsRefusedUntilItIsRepaired()
    {
        string path = CreateDisk();
        Poke(path, 72 + 7, [2]);
        Assert.Contains("corrupt", Assert.Throws<DiskImageException>(() => Open(path)).Message, StringComparison.Ordinal);
        using (DiskImage disk = DiskImages.Open(path, new DiskOpenOptions { ReadOnly = true }))
        {
            disk.Read(0, new byte[512]);
        }

        using (DiskImage disk = Qcow2Image.Open(path, new DiskOpenOptions { ForRepair = true }))
        {
            Assert.True(disk.Check(repair: true).IsClean);
        }

        using DiskImage again = Open(path);
        again.Write(0, new byte[512]);
    }

    [Fact]
    public void Write_DataMappedOntoTheHeader_IsRefusedAndMarksTheImage()
    {
        string path = CreateDisk();
        long table;
        using (Qcow2Image disk = Open(path))
        {
            disk.Write(0, new byte[512]);
        }

        byte[] image = File.ReadAllBytes(path);
        table = BinaryPrimitives.ReadInt64BigEndian(image.AsSpan((int)BinaryPrimitives.ReadInt64BigEndian(image.AsSpan(40)))) & 0xFFFFFFFF;
        long refcountTable = BinaryPrimitives.ReadInt64BigEndian(image.AsSpan(48));
        byte[] entry = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(entry, 1UL << 63 | (ulong)refcountTable);
        Poke(path, table, entry);

        using (Qcow2Image disk = Open(path))
        {
            Assert.Contains(
                "holds metadata", Assert.Throws<DiskImageException>(() => disk.Write(0, new byte[512])).Message, StringComparison.Ordinal);
            Assert.Throws<DiskImageException>(() => disk.Write(65_536, new byte[512]));
        }

        Assert.Throws<DiskImageException>(() => Open(path)); // the corrupt bit
    }

    [Fact]
    public void Open_SnapshotWithoutATableAtTheEndOfAllNumbers_IsHarmless()
    {
        string path = CreateDisk();
        using (Qcow2Image disk = Open(path))
        {
            disk.CreateSnapshot("one", DateTimeOffset.UnixEpoch);
        }

        long table = BinaryPrimitives.ReadInt64BigEndian(File.ReadAllBytes(path).AsSpan(64));
        Poke(path, table, [0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]); // offset and size of its L1 table

        using DiskImage damaged = DiskImages.Open(path, new DiskOpenOptions { ReadOnly = true });

        Assert.Single(damaged.Describe().Snapshots);
        Assert.NotEqual(0, damaged.Check(repair: false).LeakedBytes);
    }

    [Fact]
    public void Open_DirtyImageReadOnly_ShowsItAndChangesNothing()
    {
        string path = CreateDisk();
        Poke(path, 72 + 7, [1]);
        byte[] before = File.ReadAllBytes(path);

        using (DiskImage disk = DiskImages.Open(path, new DiskOpenOptions { ReadOnly = true }))
        {
            Assert.True(disk.Describe().IsDirty);
            Assert.Throws<DiskImageException>(() => disk.Write(0, new byte[512]));
        }

        Assert.Equal(before, File.ReadAllBytes(path));
    }

    [Fact]
    public void Open_DirtyImageForWriting_RepairsIt()
    {
        string path = CreateDisk();
        Poke(path, 72 + 7, [1]);

        using DiskImage disk = Open(path);

        Assert.False(disk.Describe().IsDirty);
    }

    [Fact]
    public void Open_DirtyImageForWriting_ReportsTheRepair()
    {
        using Strata.Core.Tests.Logging.RecordingLoggers loggers = new();
        string path = CreateDisk();
        Poke(path, 72 + 7, [1]);

        DiskImages.Open(path, new DiskOpenOptions { Log = loggers.CreateLogger("disks") }).Dispose();

        Assert.Contains(
            $"disks Warning {path} was not closed properly and was repaired", Assert.Single(loggers.Lines), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0L, 65536, 3, 16)]
    [InlineData(513L, 65536, 3, 16)]
    [InlineData(1L << 20, 1000, 3, 16)]
    [InlineData(1L << 20, 256, 3, 16)]
    [InlineData(1L << 20, 4 << 20, 3, 16)]
    [InlineData(1L << 20, 65536, 4, 16)]
    [InlineData(1L << 20, 65536, 2, 8)]
    [InlineData(1L << 20, 65536, 3, 3)]
    [InlineData(1L << 20, 65536, 3, 128)]
    [InlineData(1L << 50, 512, 3, 16)]
    public void Create_WhatTheFormatCannotHave_IsRefusedAndLeavesNothing(long size, int clusterSize, int version, int refcountBits)
    {
        string path = _folder.PathOf("none.qcow2");

        Assert.Throws<DiskImageException>(() =>
            Qcow2Image.Create(
                path, new DiskCreateOptions { Size = size, ClusterSize = clusterSize, Version = version, RefcountBits = refcountBits }));

        Assert.False(File.Exists(path));
    }

    public void Dispose() => _folder.Dispose();

    private static Qcow2Image Open(string path) => Qcow2Image.Open(path, new DiskOpenOptions());

    private static void Poke(string path, long offset, ReadOnlySpan<byte> bytes)
    {
        using FileStream file = new(path, FileMode.Open);
        file.Position = offset;
        file.Write(bytes);
    }

    private string CreateDisk()
    {
        string path = _folder.PathOf("disk.qcow2");
        Qcow2Image.Create(path, new DiskCreateOptions { Size = DiskSize }).Dispose();
        Assert.Equal("QFI", Encoding.ASCII.GetString(File.ReadAllBytes(path), 0, 3));
        return path;
    }
}
