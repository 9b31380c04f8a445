using System.Buffers.Binary;

namespace Strata.Snapshots.Code;

/// <summary>
/// The file <c>code.bin</c> beside a snapshot's manifest: what an engine made of pages of code.
/// <code>
/// records, in any order, each an LZ4 block
/// index: { u32 page   u32 bytes of the record   u32 bytes stored   u64 offset   16 bytes: tag } ascending by page
/// trailer: "STRATA-CODE-1\n\0\0"   u64 offset of the index   u32 entries   u32 0   32 bytes: the engine's identity   32 bytes: salt
///          32 bytes: HMAC-SHA-256 of index and trailer up to here
/// </code>
/// Numbers are little-endian. For tags and keys see <see cref="CodeSeal"/>.
/// </summary>
internal static class KeptCodeFile
{
    public const string Name = "code.bin";
    public const int IdentityBytes = 32;
    public const int EntryBytes = TagField + CodeSeal.TagBytes;
    public const int SignedTrailerBytes = IdentityField + IdentityBytes + CodeSeal.SaltBytes;
    public const int TrailerBytes = SignedTrailerBytes + CodeSeal.IndexSealBytes;
    public const int MostEntries = 1 << 20;
    public const int LongestRecord = 4 << 20;

    private const int TagField = 20;
    private const int OffsetField = 16;
    private const int CountField = 24;
    private const int IdentityField = 32;
    private const int SaltField = IdentityField + IdentityBytes;

    private static ReadOnlySpan<byte> Mark => "STRATA-CODE-1\n\0\0"u8;

    public static void WriteEntry(Span<byte> to, in KeptCodeEntry entry)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(to, (uint)entry.Page);
        BinaryPrimitives.WriteInt32LittleEndian(to[4..], entry.Length);
        BinaryPrimitives.WriteInt32LittleEndian(to[8..], entry.Stored);
        BinaryPrimitives.WriteInt64LittleEndian(to[12..], entry.Offset);
        entry.Tag.Span.CopyTo(to[TagField..]);
    }

    /// <summary>Reads an entry; its tag stays where it is.</summary>
    public static KeptCodeEntry ReadEntry(ReadOnlyMemory<byte> from) => new(
        BinaryPrimitives.ReadUInt32LittleEndian(from.Span),
        BinaryPrimitives.ReadInt64LittleEndian(from.Span[12..]),
        BinaryPrimitives.ReadInt32LittleEndian(from.Span[4..]),
        BinaryPrimitives.ReadInt32LittleEndian(from.Span[8..]),
        from.Slice(TagField, CodeSeal.TagBytes));

    /// <summary>The trailer up to its HMAC.</summary>
    public static void WriteTrailer(Span<byte> to, long indexOffset, int entries, ReadOnlySpan<byte> identity, ReadOnlySpan<byte> salt)
    {
        to[..SignedTrailerBytes].Clear();
        Mark.CopyTo(to);
        BinaryPrimitives.WriteInt64LittleEndian(to[OffsetField..], indexOffset);
        BinaryPrimitives.WriteInt32LittleEndian(to[CountField..], entries);
        identity.CopyTo(to[IdentityField..]);
        salt.CopyTo(to[SaltField..]);
    }

    public static bool HasMark(ReadOnlySpan<byte> trailer) => trailer.StartsWith(Mark);

    public static (long IndexOffset, int Entries) ReadTrailer(ReadOnlySpan<byte> trailer) =>
        (BinaryPrimitives.ReadInt64LittleEndian(trailer[OffsetField..]), BinaryPrimitives.ReadInt32LittleEndian(trailer[CountField..]));

    public static ReadOnlySpan<byte> IdentityOf(ReadOnlySpan<byte> trailer) => trailer.Slice(IdentityField, IdentityBytes);

    public static ReadOnlySpan<byte> SaltOf(ReadOnlySpan<byte> trailer) => trailer.Slice(SaltField, CodeSeal.SaltBytes);
}

/// <param name="Page">Index of the page in the machine's RAM.</param>
/// <param name="Offset">Of the record in the file.</param>
/// <param name="Length">Bytes of the record.</param>
/// <param name="Stored">Bytes that it has in the file.</param>
/// <param name="Tag">Of the page's bytes and what is stored.</param>
internal readonly record struct KeptCodeEntry(ulong Page, long Offset, int Length, int Stored, ReadOnlyMemory<byte> Tag);
