using System.Buffers.Binary;
using Strata.Disks.Qcow2;
using Strata.Disks.Tests.Harness;

namespace Strata.Disks.Tests.Qcow2;

/// <summary>
/// Images with random damage in their headers and tables: whatever they say, using them ends well or with an error for the user, soon, and
/// without much memory.
/// </summary>
public sealed class Qcow2FuzzTests : IDisposable
{
    private const int OrdinaryImages = 250;
    private const int LongImages = 10_000;
    private const int DiskSize = 1 << 20;
    private const long MostMemory = 512L << 20;
    private static readonly TimeSpan LongestTime = TimeSpan.FromSeconds(2); // of a processor
    private static readonly ulong[] Odd =
    [
        0, 1, 2, 3, 9, 21, 22, 31, 32, 63, 64, 104, 112, 511, 512, 513, 4095, 4096, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1UL << 40,
        1UL << 55, 1UL << 56, 1UL << 62, 1UL << 63,
        0x8000_0000_0000_0001, 0xC000_0000_0000_1000, 0x8000_0000_0000_0000
            | 4096, 0x8000_0000_0000_0000
            | 8192, 0x7FFF_FFFF_FFFF_FFFF, 0x00FF_FFFF_FFFF_FE00, ulong.MaxValue,
    ];

    private readonly TemporaryFolder _folder = new(inMemory: true);

    /// <summary>Set STRATA_LONG_TESTS=1 for 10,000 images.</summary>
    [Fact]
    public void Image_WithRandomDamage_WorksOrIsRefused()
    {
        byte[][] images = [Sample(3, 4096, 16), Sample(3, 512, 1), Sample(3, 65536, 64), Sample(2, 1024, 16)];
        string path = _folder.PathOf("damaged.qcow2");
        int count = Environment.GetEnvironmentVariable("STRATA_LONG_TESTS") == "1" ? LongImages : OrdinaryImages;
        int refused = 0;
        for (int seed = 0; seed < count; seed++)
        {
            Random random = new(seed);
            byte[] image = (byte[])images[random.Next(images.Length)].Clone();
            Damage(image, random);
            File.WriteAllBytes(path, image);
            long before = GC.GetAllocatedBytesForCurrentThread();
            TimeSpan start = ThreadTime.Used;

            refused += Use(path, random, seed) ? 0 : 1;

            Assert.True(ThreadTime.Used - start < LongestTime, $"Image {seed} took {ThreadTime.Used - start} of a processor.");
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostMemory);
        }

        Assert.InRange(refused, count / 20, count * 19 / 20); // damage must be neither harmless nor always fatal, or this tests little
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>A small image that has everything: data, zeros, compressed clusters, snapshots, a backing image's name.</summary>
    private byte[] Sample(int version, int clusterSize, int refcountBits)
    {
        string path = _folder.PathOf($"sample-{version}-{clusterSize}.qcow2");
        using (DiskImage backing = RawDisk.Create(_folder.PathOf("backing.raw"), DiskSize, overwrite: true))
        {
            backing.Write(4096, new byte[512]);
        }

        using (Qcow2Image disk = Qcow2Image.Create(path, new DiskCreateOptions
        {
            Size = DiskSize,
            Version = version,
            ClusterSize = clusterSize,
            RefcountBits = refcountBits,
            BackingFile = "backing.raw",
            BackingFormat = "raw",
        }))
        {
            byte[] data = new byte[40_960];
            new Random(version).NextBytes(data.AsSpan(0, 20_480));
            disk.Write(0, data);
            disk.WriteZeros(131_072, 65_536);
            disk.WriteCompressed(262_144, new byte[clusterSize]);
            disk.WriteCompressed(327_680, new byte[clusterSize]);
            if (refcountBits > 1)
            {
                disk.CreateSnapshot("one", DateTimeOffset.UnixEpoch);
                disk.Write(8192, data);
                disk.CreateSnapshot("two", DateTimeOffset.UnixEpoch);
            }

            disk.Write(512_000, data);
        }

        return File.ReadAllBytes(path);
    }

    /// <summary>Changes numbers of the header and of the tables that it names, where they are.</summary>
    private static void Damage(byte[] image, Random random)
    {
        int changes = random.Next(1, 6);
        for (int i = 0; i < changes; i++)
        {
            int[] tables =
            [
                0, (int)BinaryPrimitives.ReadInt64BigEndian(image.AsSpan(40)), (int)BinaryPrimitives.ReadInt64BigEndian(image.AsSpan(48)),
                (int)BinaryPrimitives.ReadInt64BigEndian(image.AsSpan(64)), random.Next(image.Length),
            ];
            int table = Math.Clamp(tables[random.Next(tables.Length)], 0, image.Length - 8);
            if (random.Next(2) == 0)
            {
                // What the table points to.
                table = (int)Math.Clamp(BinaryPrimitives.ReadInt64BigEndian(image.AsSpan(table)) & 0xFFFFFE00, 0, image.Length - 8);
            }

            int place = Math.Clamp(table + (random.Next(16) * random.Next(1, 9)), 0, image.Length - 8);
            Span<byte> target = image.AsSpan(place, 8);
            switch (random.Next(5))
            {
                case 0:
                    target[random.Next(8)] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    BinaryPrimitives.WriteUInt64BigEndian(target, Odd[random.Next(Odd.Length)]);
                    break;
                case 2:
                    BinaryPrimitives.WriteUInt32BigEndian(target, (uint)Odd[random.Next(Odd.Length)]);
                    break;
                case 3:
                    BinaryPrimitives.WriteUInt64BigEndian(
                        target, ((ulong)random.Next(image.Length) & ~511UL) | ((ulong)random.Next(4) << 62) | (uint)random.Next(2));
                    break;
                default:
                    random.NextBytes(target[..random.Next(1, 8)]);
                    break;
            }
        }
    }

    /// <returns>False if anything was refused.</returns>
    private static bool Use(string path, Random random, int seed)
    {
        bool isGood = Try(seed, () =>
        {
            using DiskImage disk = DiskImages.Open(path, new DiskOpenOptions { Format = "qcow2", ReadOnly = true });
            disk.Describe();
            disk.Check(repair: false);
            ReadSome(disk);
        });
        isGood &= Try(seed, () =>
        {
            using Qcow2Image disk = Qcow2Image.Open(path, new DiskOpenOptions());
            byte[] data = new byte[70_000 & ~511];
            random.NextBytes(data);
            for (int i = 0; i < 12; i++)
            {
                long offset = random.NextInt64(Math.Max(1, Math.Min(disk.Sectors * 512, 2L * DiskSize) - data.Length)) & ~511L;
                disk.Write(offset, data.AsSpan(0, random.Next(1, 20) * 512));
                disk.Discard(offset, 65_536);
                disk.WriteZeros(offset, random.Next(1, 100) * 512);
            }

            disk.Flush();
            disk.CreateSnapshot("new", DateTimeOffset.UnixEpoch);
            disk.ApplySnapshot("one");
            disk.DeleteSnapshot("two");
            disk.Resize((disk.Sectors * 512) + 65_536);
        });
        isGood &= Try(seed, () =>
        {
            using Qcow2Image disk = Qcow2Image.Open(path, new DiskOpenOptions { ForRepair = true, Backing = BackingAccess.Detached });
            disk.Check(repair: true);
        });
        isGood &= Try(seed, () =>
        {
            using DiskImage disk = Qcow2Image.Open(path, new DiskOpenOptions());
            ReadSome(disk);
            disk.Write(0, new byte[512]);
        });
        return isGood;
    }

    private static void ReadSome(DiskImage disk)
    {
        byte[] buffer = new byte[65_536];
        long size = Math.Min(disk.Sectors * 512, 2L * DiskSize);
        for (long offset = 0; offset < size; offset += buffer.Length)
        {
            int length = (int)Math.Min(buffer.Length, size - offset);
            DiskExtent extent = disk.Map(offset, length);
            Assert.InRange(extent.Length, 1, length);
            disk.Read(offset, buffer.AsSpan(0, length));
        }
    }

    private static bool Try(int seed, Action use)
    {
        try
        {
            use();
            return true;
        }
        catch (DiskImageException)
        {
            return false;
        }
        catch (Exception error) when (error is not Xunit.Sdk.XunitException)
        {
            throw new InvalidOperationException($"Image {seed} ended with a {error.GetType().Name}.", error);
        }
    }
}
