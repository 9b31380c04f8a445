using System.Buffers.Binary;
using System.Text;
using static Strata.Disks.Discs.Iso9660Layout;

namespace Strata.Disks.Discs;

/// <summary>
/// Makes small discs: ISO 9660 with the names of Rock Ridge and Joliet, and one directory. The same files are the same bytes.
/// </summary>
public static class Iso9660Disc
{
    /// <summary>Characters of the longest label, and of the longest name of a file.</summary>
    public const int LongestLabel = 16, LongestName = 64;

    private const int PathTables = FirstDescriptor + 3;
    private const int FirstDirectory = PathTables + 4;

    /// <param name="label">What the disc is called: 1 to 16 characters of ASCII.</param>
    /// <param name="files">No two of one name.</param>
    /// <returns>The disc's bytes, a multiple of 2048.</returns>
    /// <exception cref="ArgumentException">A name cannot be one, or is there twice.</exception>
    public static byte[] Create(string label, IReadOnlyList<DiscFile> files)
    {
        Check(label, files);
        Iso9660Directory primary = new(isJoliet: false, files);
        Iso9660Directory joliet = new(isJoliet: true, files);
        int primarySector = FirstDirectory;
        int jolietSector = primarySector + primary.Sectors;
        int next = jolietSector + joliet.Sectors;
        int[] extents = new int[files.Count];
        for (int i = 0; i < extents.Length; i++)
        {
            extents[i] = files[i].Content.IsEmpty ? 0 : next; // those without content are nowhere
            next += (files[i].Content.Length + SectorSize - 1) / SectorSize;
        }

        byte[] disc = new byte[next * SectorSize];
        byte[] primaryRecords = primary.Records(primarySector, extents);
        byte[] jolietRecords = joliet.Records(jolietSector, extents);
        WriteDescriptor(disc, FirstDescriptor, label, primarySector, primaryRecords.Length, PathTables, isJoliet: false);
        WriteDescriptor(disc, FirstDescriptor + 1, label, jolietSector, jolietRecords.Length, PathTables + 2, isJoliet: true);
        WriteHead(Sector(disc, FirstDescriptor + 2), LastDescriptor);
        Iso9660Directory.PathTable(primarySector, isBig: false).CopyTo(Sector(disc, PathTables));
        Iso9660Directory.PathTable(primarySector, isBig: true).CopyTo(Sector(disc, PathTables + 1));
        Iso9660Directory.PathTable(jolietSector, isBig: false).CopyTo(Sector(disc, PathTables + 2));
        Iso9660Directory.PathTable(jolietSector, isBig: true).CopyTo(Sector(disc, PathTables + 3));
        primaryRecords.CopyTo(Sector(disc, primarySector));
        jolietRecords.CopyTo(Sector(disc, jolietSector));
        for (int i = 0; i < extents.Length; i++)
        {
            files[i].Content.Span.CopyTo(Sector(disc, extents[i]));
        }

        return disc;
    }

    private static void Check(string label, IReadOnlyList<DiscFile> files)
    {
        if (label.Length is 0 or > LongestLabel || !Ascii.IsValid(label))
        {
            throw new ArgumentException($"A disc's label has 1 to {LongestLabel} characters of ASCII.", nameof(label));
        }

        if (files.FirstOrDefault(file => !IsName(file.Name)) is { } bad)
        {
            throw new ArgumentException($"\"{bad.Name}\" cannot be the name of a disc's file.", nameof(files));
        }

        if (files.DistinctBy(file => file.Name).Count() != files.Count)
        {
            throw new ArgumentException("Two files of the disc have one name.", nameof(files));
        }
    }

    private static bool IsName(string name) =>
        name.Length is > 0 and <= LongestName && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_');

    private static void WriteDescriptor(
        byte[] disc, int sector, string label, int directory, int directorySize, int pathTable, bool isJoliet)
    {
        Span<byte> descriptor = Sector(disc, sector)[..SectorSize];
        WriteHead(descriptor, isJoliet ? SupplementaryDescriptor : PrimaryDescriptor);
        Encoding encoding = isJoliet ? Encoding.BigEndianUnicode : Encoding.ASCII;
        byte[] blank = encoding.GetBytes(" ");
        Fill(descriptor[SystemIdentifier..(VolumeIdentifier + ShortTextSize)], blank);
        Fill(descriptor[SetIdentifier..TextsEnd], blank);
        encoding.GetBytes(label, descriptor.Slice(VolumeIdentifier, ShortTextSize));
        Write32(descriptor[VolumeSize..], disc.Length / SectorSize);
        (isJoliet ? Joliet : []).CopyTo(descriptor[EscapeSequences..]);
        Write16(descriptor[SetSize..], 1);
        Write16(descriptor[SequenceNumber..], 1);
        Write16(descriptor[BlockSize..], SectorSize);
        Write32(descriptor[PathTableSize..], Iso9660Directory.PathTable(directory, isBig: false).Length);
        BinaryPrimitives.WriteInt32LittleEndian(descriptor[LittlePathTable..], pathTable);
        BinaryPrimitives.WriteInt32BigEndian(descriptor[BigPathTable..], pathTable + 1);
        Iso9660Directory.RootOf(directory, directorySize).CopyTo(descriptor[RootRecord..]);
        for (int i = 0; i < TimeCount; i++)
        {
            descriptor.Slice(Times + (i * TimeSize), TimeSize - 1).Fill((byte)'0'); // not said
        }

        descriptor[StructureVersion] = 1;
    }

    private static void WriteHead(Span<byte> descriptor, byte type)
    {
        descriptor[0] = type;
        "CD001"u8.CopyTo(descriptor[Identifier..]);
        descriptor[DescriptorVersion] = 1;
    }

    /// <summary>An odd byte behind the last character stays zero.</summary>
    private static void Fill(Span<byte> place, ReadOnlySpan<byte> character)
    {
        for (; place.Length >= character.Length; place = place[character.Length..])
        {
            character.CopyTo(place);
        }
    }

    private static Span<byte> Sector(byte[] disc, int sector) => disc.AsSpan(sector * SectorSize);
}
