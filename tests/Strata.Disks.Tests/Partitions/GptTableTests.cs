using System.Buffers.Binary;
using System.Text;
using Strata.Disks.Partitions;
using Strata.Disks.Tests.Harness;

namespace Strata.Disks.Tests.Partitions;

/// <summary>Partition tables as UEFI has them.</summary>
public sealed class GptTableTests : IDisposable
{
    private const int DiskSize = 1 << 20;
    private const int LastSector = (DiskSize / 512) - 1;

    private static readonly Guid DiskId = new("3f1c2d7e-9a4b-4c21-8a57-0d5e6b7c8d90");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Write_TwoPartitions_StandsAtBothEnds()
    {
        Guid id = new("00112233-4455-6677-8899-aabbccddeeff");

        byte[] disk = Write(
            new GptPartition(GptPartition.EfiSystem, id, 64, 100, "EFI"),
            new GptPartition(GptPartition.LinuxRoot, DiskId, 1000, 500, "root"));

        ReadOnlySpan<byte> first = disk.AsSpan(512, 512);
        ReadOnlySpan<byte> last = disk.AsSpan(LastSector * 512, 512);
        Assert.Equal("EFI PART", Encoding.ASCII.GetString(first[..8]));
        Assert.Equal("EFI PART", Encoding.ASCII.GetString(last[..8]));
        Assert.Equal((1L, (long)LastSector), (Read64(first, 24), Read64(first, 32)));
        Assert.Equal(((long)LastSector, 1L), (Read64(last, 24), Read64(last, 32)));
        Assert.Equal((34L, LastSector - 33L), (Read64(first, 40), Read64(first, 48)));
        Assert.Equal((2L, LastSector - 32L), (Read64(first, 72), Read64(last, 72)));
        Assert.Equal(disk[1024..(34 * 512)], disk[((LastSector - 32) * 512)..(LastSector * 512)]);
        byte[] entry = disk[1024..1152];
        Assert.Equal("28732AC11FF8D211BA4B00A0C93EC93B", Convert.ToHexString(entry[..16])); // C12A7328-F81F-11D2-BA4B-00A0C93EC93B
        Assert.Equal(id, new Guid(entry.AsSpan(16, 16)));
        Assert.Equal((64L, 163L), (Read64(entry, 32), Read64(entry, 40)));
        Assert.Equal("EFI\0", Encoding.Unicode.GetString(entry[56..64]));
    }

    [Fact]
    public void Write_AnyDisk_HasRightSums()
    {
        byte[] disk = Write(new GptPartition(GptPartition.BiosBoot, DiskId, 34, 1, "boot"));

        foreach (int sector in (int[])[1, LastSector])
        {
            byte[] header = disk[(sector * 512)..((sector * 512) + 92)];
            uint sum = BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(16));
            header.AsSpan(16, 4).Clear();
            Assert.Equal(Reference(header), sum);
            Assert.Equal(Reference(disk.AsSpan(1024, 16384)), BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(88)));
        }

        Assert.Equal(0xCBF43926, Reference("123456789"u8)); // the check value that catalogues of CRCs give
    }

    [Fact]
    public void Write_AnyDisk_HasAnMbrThatProtectsIt()
    {
        byte[] disk = Write();

        Assert.Equal((0x55, 0xAA, 0xEE), (disk[510], disk[511], disk[450]));
        Assert.Equal(1, BinaryPrimitives.ReadInt32LittleEndian(disk.AsSpan(454)));
        Assert.Equal(LastSector, BinaryPrimitives.ReadInt32LittleEndian(disk.AsSpan(458)));
    }

    [Theory]
    [InlineData(33, 10)]
    [InlineData(2000, 48)]
    [InlineData(500, 0)]
    [InlineData(95, 10)]
    [InlineData(104, 10)]
    public void Write_PartitionThatCannotBe_IsRefused(long first, long count)
    {
        GptPartition good = new(GptPartition.LinuxRoot, DiskId, 100, 10, "good");

        Assert.Throws<ArgumentException>(() => Write(good, new GptPartition(GptPartition.LinuxRoot, DiskId, first, count, "bad")));
    }

    private byte[] Write(params GptPartition[] partitions)
    {
        string path = _folder.PathOf("disk.raw");
        using (RawDisk disk = RawDisk.Create(path, DiskSize))
        {
            GptTable.Write(disk, DiskId, partitions);
        }

        return File.ReadAllBytes(path);
    }

    private static long Read64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);

    /// <summary>CRC-32 by its definition: the remainder of a division, highest bit first, of the bits as they are sent.</summary>
    private static uint Reference(ReadOnlySpan<byte> bytes)
    {
        uint register = 0xFFFFFFFF;
        foreach (byte value in bytes)
        {
            for (int bit = 0; bit < 8; bit++)
            {
                bool carry = (register >> 31 != 0) ^ (((value >> bit) & 1) != 0);
                register = (register << 1) ^ (carry ? 0x04C11DB7u : 0);
            }
        }

        uint reversed = 0;
        for (int bit = 0; bit < 32; bit++)
        {
            reversed |= ((register >> bit) & 1) << (31 - bit);
        }

        return ~reversed;
    }
}
