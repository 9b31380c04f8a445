using System.Buffers.Binary;

namespace Strata.Disks.Discs;

/// <summary>
/// Where the fields of ISO 9660's structures are (ECMA-119, 4th edition, sections 8 and 9; SUSP and RRIP 1.12 for what is behind names).
/// Numbers that programs of both byte orders read stand there twice.
/// </summary>
internal static class Iso9660Layout
{
    public const int SectorSize = 2048;

    /// <summary>The first volume descriptor's sector: those before are the system's.</summary>
    public const int FirstDescriptor = 16;

    public const byte PrimaryDescriptor = 1, SupplementaryDescriptor = 2, LastDescriptor = 255;

    // Volume descriptors.
    public const int Identifier = 1, DescriptorVersion = 6, SystemIdentifier = 8, VolumeIdentifier = 40, VolumeSize = 80;
    public const int EscapeSequences = 88;
    public const int SetSize = 120, SequenceNumber = 124, BlockSize = 128, PathTableSize = 132, LittlePathTable = 140, BigPathTable = 148;
    public const int RootRecord = 156, SetIdentifier = 190, TextsEnd = 813, Times = 813, StructureVersion = 881;
    public const int ShortTextSize = 32, TimeSize = 17, TimeCount = 4;

    // Directory records.
    public const int RecordSize = 33, Extent = 2, DataLength = 10, RecordedAt = 18, Flags = 25, RecordSequence = 28, NameLength = 32;
    public const byte DirectoryFlag = 2;
    public const int LongestRecord = 255;

    /// <summary>Joliet's third level: names in UCS-2.</summary>
    public static ReadOnlySpan<byte> Joliet => "%/E"u8;

    /// <summary>Of every structure, so that the same files are the same disc: the first of January 2000, Greenwich time.</summary>
    public static ReadOnlySpan<byte> Date => [100, 1, 1, 0, 0, 0, 0];

    /// <summary>A number in both byte orders (7.3.3).</summary>
    public static void Write32(Span<byte> place, int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(place, value);
        BinaryPrimitives.WriteInt32BigEndian(place[4..], value);
    }

    /// <summary>A number in both byte orders (7.2.3).</summary>
    public static void Write16(Span<byte> place, short value)
    {
        BinaryPrimitives.WriteInt16LittleEndian(place, value);
        BinaryPrimitives.WriteInt16BigEndian(place[2..], value);
    }
}
