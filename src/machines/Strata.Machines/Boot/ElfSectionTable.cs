using System.Buffers.Binary;

namespace Strata.Machines.Boot;

/// <summary>
/// The section headers of an ELF file, as a loader hands them on: symbols and strings are loaded, and their headers say where. System V
/// ABI, "Sections". A file whose table is damaged has none.
/// </summary>
internal sealed class ElfSectionTable
{
    private const uint SymbolTable = 2;
    private const uint StringTable = 3;
    private const int MostSections = 1024;
    private const ulong Alignment = 16;

    private readonly bool _is64;

    private ElfSectionTable(bool is64, int count, int entrySize, int nameIndex, byte[] headers)
    {
        _is64 = is64;
        (Count, EntrySize, NameIndex) = (count, entrySize, nameIndex);
        Headers = headers;
    }

    public int Count { get; }

    /// <summary>Bytes of a header.</summary>
    public int EntrySize { get; }

    /// <summary>Of the section that has the names.</summary>
    public int NameIndex { get; }

    public byte[] Headers { get; }

    /// <returns>Null for a file without sections.</returns>
    public static ElfSectionTable? Read(ReadOnlySpan<byte> image)
    {
        bool is64 = image[4] == 2;
        ulong table = is64 ? BinaryPrimitives.ReadUInt64LittleEndian(image[40..]) : BinaryPrimitives.ReadUInt32LittleEndian(image[32..]);
        int size = BinaryPrimitives.ReadUInt16LittleEndian(image[(is64 ? 58 : 46)..]);
        int count = BinaryPrimitives.ReadUInt16LittleEndian(image[(is64 ? 60 : 48)..]);
        int names = BinaryPrimitives.ReadUInt16LittleEndian(image[(is64 ? 62 : 50)..]);
        bool fits = count is > 0 and <= MostSections && size == (is64 ? 64 : 40)
            && table <= (ulong)image.Length && (ulong)(count * size) <= (ulong)image.Length - table;
        return fits ? new ElfSectionTable(is64, count, size, names, image.Slice((int)table, count * size).ToArray()) : null;
    }

    /// <summary>Loads what a kernel's debugger looks at, and that no segment has, behind the kernel, as far as there is room.</summary>
    /// <param name="from">Lowest address.</param>
    /// <returns>First address behind it.</returns>
    public ulong Place(ReadOnlySpan<byte> image, BootRequest request, GuestWriter writer, ulong from)
    {
        for (int i = 0; i < Count; i++)
        {
            Span<byte> header = Headers.AsSpan(i * EntrySize, EntrySize);
            uint type = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
            (ulong address, ulong offset, ulong size) = _is64
                ? (Read64(header, 16), Read64(header, 24), Read64(header, 32))
                : (Read32(header, 12), Read32(header, 16), Read32(header, 20));
            if (type is not (SymbolTable or StringTable)
                || address != 0
                || size == 0
                || offset > (ulong)image.Length
                || size > (ulong)image.Length - offset)
            {
                continue;
            }

            if (writer.FindFree(request.MemoryMap, size, Alignment, from, request.LowMemory) is not { } at)
            {
                continue;
            }

            writer.Write(at, image.Slice((int)offset, (int)size), "symbols");
            from = at + size;
            if (_is64)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(header[16..], at);
            }
            else
            {
                BinaryPrimitives.WriteUInt32LittleEndian(header[12..], (uint)at);
            }
        }

        return from;
    }

    private static ulong Read64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);

    private static ulong Read32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);
}
