using System.Buffers.Binary;
using System.Text;

namespace Strata.Disks.Tests.Harness;

/// <summary>Reads the root directory of a disc in one of its name spaces, checking what the standards demand of its structures.</summary>
internal sealed class DiscReader
{
    private const int SectorSize = 2048;
    private readonly byte[] _disc;
    private readonly bool _isJoliet;

    /// <param name="descriptorSector">Of the volume descriptor to start from.</param>
    public DiscReader(byte[] disc, int descriptorSector)
    {
        _disc = disc;
        ReadOnlySpan<byte> descriptor = Sector(descriptorSector);
        Assert.Equal("CD001"u8.ToArray(), descriptor[1..6].ToArray());
        Type = descriptor[0];
        _isJoliet = Type == 2;
        Label = (_isJoliet ? Encoding.BigEndianUnicode : Encoding.ASCII).GetString(descriptor[40..72]).TrimEnd(' ');
        EscapeSequences = Encoding.ASCII.GetString(descriptor[88..91]);
        Assert.Equal(disc.Length / SectorSize, Both(descriptor[80..]));
        int root = Both(descriptor[(156 + 2)..]);
        int pathTable = BinaryPrimitives.ReadInt32LittleEndian(descriptor[140..]);
        int bigPathTable = BinaryPrimitives.ReadInt32BigEndian(descriptor[148..]);
        Assert.Equal(root, BinaryPrimitives.ReadInt32LittleEndian(Sector(pathTable)[2..]));
        Assert.Equal(root, BinaryPrimitives.ReadInt32BigEndian(Sector(bigPathTable)[2..]));
        ReadDirectory(root, Both(descriptor[(156 + 10)..]));
    }

    public byte Type { get; }

    public string Label { get; }

    public string EscapeSequences { get; }

    /// <summary>Of the records, in their order; Rock Ridge's names behind them.</summary>
    public List<(string Name, string? RockRidgeName, byte[] Content)> Files { get; } = [];

    /// <summary>Signatures of the system use fields of the directory's own record.</summary>
    public List<string> RootFields { get; } = [];

    private void ReadDirectory(int sector, int size)
    {
        Assert.Equal(0, size % SectorSize);
        ReadOnlySpan<byte> directory = _disc.AsSpan(sector * SectorSize, size);
        int index = 0;
        for (int at = 0; at < size;)
        {
            int length = directory[at];
            if (length == 0)
            {
                at = ((at / SectorSize) + 1) * SectorSize;
                continue;
            }

            Assert.Equal(at / SectorSize, (at + length - 1) / SectorSize);
            ReadRecord(directory.Slice(at, length), index++, (sector, size));
            at += length;
        }
    }

    private void ReadRecord(ReadOnlySpan<byte> record, int index, (int Sector, int Size) directory)
    {
        (int extent, int length) = (Both(record[2..]), Both(record[10..]));
        int nameEnd = 33 + record[32];
        List<(string Signature, byte[] Data)> fields = ReadFields(record[((nameEnd + 1) & ~1)..]);
        if (index < 2)
        {
            Assert.Equal((2, 1, index), (record[25], record[32], record[33]));
            Assert.Equal(directory, (extent, length));
            RootFields.AddRange(index == 0 ? fields.Select(field => field.Signature) : []);
            return;
        }

        Encoding encoding = _isJoliet ? Encoding.BigEndianUnicode : Encoding.ASCII;
        string? rockRidge = fields.Where(field => field.Signature == "NM").Select(field => Encoding.ASCII.GetString(field.Data[1..]))
            .SingleOrDefault();
        Files.Add((encoding.GetString(record[33..nameEnd]), rockRidge, _disc.AsSpan(extent * SectorSize, length).ToArray()));
    }

    private static List<(string Signature, byte[] Data)> ReadFields(ReadOnlySpan<byte> bytes)
    {
        List<(string, byte[])> fields = [];
        while (bytes.Length >= 4)
        {
            fields.Add((Encoding.ASCII.GetString(bytes[..2]), bytes[4..bytes[2]].ToArray()));
            bytes = bytes[bytes[2]..];
        }

        return fields;
    }

    private ReadOnlySpan<byte> Sector(int sector) => _disc.AsSpan(sector * SectorSize, SectorSize);

    /// <summary>A number that stands there in both byte orders.</summary>
    private static int Both(ReadOnlySpan<byte> bytes)
    {
        int value = BinaryPrimitives.ReadInt32LittleEndian(bytes);
        Assert.Equal(value, BinaryPrimitives.ReadInt32BigEndian(bytes[4..]));
        return value;
    }
}
