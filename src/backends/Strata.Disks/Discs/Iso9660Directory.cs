using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using static Strata.Disks.Discs.Iso9660Layout;

namespace Strata.Disks.Discs;

/// <summary>The root directory of a disc in one of its two name spaces, and the path table that leads to it.</summary>
/// <param name="isJoliet">Names as they are, in UCS-2; otherwise ISO 9660's own, with the real ones behind them by Rock Ridge.</param>
internal sealed class Iso9660Directory(bool isJoliet, IReadOnlyList<DiscFile> files)
{
    private const int PathTableLength = 10;
    private const byte Self = 0, Parent = 1;
    private const int DirectoryMode = 0x4000 | 0x16D, FileMode = 0x8000 | 0x124; // r-xr-xr-x, r--r--r--

    private readonly string[] _names = isJoliet ? [.. files.Select(file => file.Name + ";1")] : ShortNames(files);

    /// <summary>Sectors that it takes.</summary>
    public int Sectors => Records(0, new int[files.Count]).Length / SectorSize;

    /// <summary>The directory's sectors.</summary>
    /// <param name="sector">Where they will be.</param>
    /// <param name="extents">The first sector of each file.</param>
    public byte[] Records(int sector, ReadOnlySpan<int> extents)
    {
        int size = SectorSize;
        while (true)
        {
            List<byte[]> records = [Special(Self, sector, size), Special(Parent, sector, size)];
            foreach (int index in Enumerable.Range(0, files.Count).OrderBy(index => _names[index], StringComparer.Ordinal))
            {
                records.Add(Record(NameBytes(_names[index]), extents[index], files[index].Content.Length, 0, index));
            }

            byte[] sectors = Pack(records);
            if (sectors.Length == size)
            {
                return sectors;
            }

            size = sectors.Length; // the directory's own records tell its size
        }
    }

    /// <summary>The record of the root in a volume descriptor: without Rock Ridge, for which there is no room.</summary>
    public static byte[] RootOf(int sector, int size) => Record([Self], sector, size, DirectoryFlag);

    /// <summary>Fields of the one path there is (9.4).</summary>
    public static byte[] PathTable(int sector, bool isBig)
    {
        byte[] table = new byte[PathTableLength];
        table[0] = 1; // the root's name is one zero byte
        if (isBig)
        {
            BinaryPrimitives.WriteInt32BigEndian(table.AsSpan(2), sector);
            table[7] = 1;
        }
        else
        {
            BinaryPrimitives.WriteInt32LittleEndian(table.AsSpan(2), sector);
            table[6] = 1;
        }

        return table;
    }

    private byte[] Special(byte name, int sector, int size) => Record([name], sector, size, DirectoryFlag, isJoliet ? null : -1);

    private byte[] NameBytes(string name) => isJoliet ? Encoding.BigEndianUnicode.GetBytes(name) : Encoding.ASCII.GetBytes(name);

    /// <param name="rockRidge">The file's index, or -1 for a directory, where Rock Ridge's fields are wanted.</param>
    private byte[] Record(ReadOnlySpan<byte> name, int extent, int length, byte flags, int? rockRidge) =>
        isJoliet || rockRidge is not { } of
            ? Record(name, extent, length, flags)
            : Record(name, extent, length, flags, of < 0 ? RockRidgeOfDirectory(isSelf: name[0] == Self) : RockRidgeOf(files[of].Name));

    private static byte[] Record(ReadOnlySpan<byte> name, int extent, int length, byte flags, ReadOnlySpan<byte> systemUse = default)
    {
        int nameEnd = RecordSize + name.Length + ((name.Length & 1) ^ 1);
        byte[] record = new byte[(nameEnd + systemUse.Length + 1) & ~1];
        record[0] = checked((byte)record.Length);
        Write32(record.AsSpan(Extent), extent);
        Write32(record.AsSpan(DataLength), length);
        Date.CopyTo(record.AsSpan(RecordedAt));
        record[Flags] = flags;
        Write16(record.AsSpan(RecordSequence), 1);
        record[NameLength] = (byte)name.Length;
        name.CopyTo(record.AsSpan(RecordSize));
        systemUse.CopyTo(record.AsSpan(nameEnd));
        return record;
    }

    /// <summary>The first record of the root says that the disc has Rock Ridge: SP, and ER with its name alone.</summary>
    private static byte[] RockRidgeOfDirectory(bool isSelf) => isSelf
        ? [.. "SP"u8, 7, 1, 0xBE, 0xEF, 0, .. Attributes(DirectoryMode, 2), .. "ER"u8, 18, 1, 10, 0, 0, 1, .. "RRIP_1991A"u8]
        : Attributes(DirectoryMode, 2);

    private static byte[] RockRidgeOf(string name) =>
        [.. Attributes(FileMode, 1), .. "NM"u8, (byte)(5 + name.Length), 1, 0, .. Encoding.ASCII.GetBytes(name)];

    /// <summary>PX: mode, links, and root's numbers.</summary>
    private static byte[] Attributes(int mode, int links)
    {
        byte[] entry = new byte[36];
        "PX"u8.CopyTo(entry);
        (entry[2], entry[3]) = ((byte)entry.Length, 1);
        Write32(entry.AsSpan(4), mode);
        Write32(entry.AsSpan(12), links);
        return entry;
    }

    /// <summary>No record crosses the end of a sector (6.8.1.1).</summary>
    private static byte[] Pack(List<byte[]> records)
    {
        List<byte> bytes = [];
        foreach (byte[] record in records)
        {
            int left = SectorSize - (bytes.Count % SectorSize);
            bytes.AddRange(record.Length > left ? new byte[left] : []);
            bytes.AddRange(record);
        }

        bytes.AddRange(new byte[-bytes.Count & (SectorSize - 1)]);
        return [.. bytes];
    }

    /// <summary>Eight characters of the first level's alphabet for each, no two the same.</summary>
    private static string[] ShortNames(IReadOnlyList<DiscFile> files)
    {
        HashSet<string> taken = [];
        string[] names = new string[files.Count];
        for (int i = 0; i < names.Length; i++)
        {
            string name = string.Concat(files[i].Name.ToUpperInvariant().Take(8).Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_'));
            for (int number = 0; !taken.Add(name); number++)
            {
                string end = number.ToString(CultureInfo.InvariantCulture);
                name = name[..Math.Min(name.Length, 8 - end.Length)] + end;
            }

            names[i] = name + ".;1";
        }

        return names;
    }
}
