using System.Buffers.Binary;

namespace Strata.Machines.Boot;

/// <summary>One loadable segment of an ELF file.</summary>
/// <param name="FileOffset">Where its bytes are in the file.</param>
/// <param name="FileSize">Bytes in the file.</param>
/// <param name="PhysicalAddress">Where it goes.</param>
/// <param name="VirtualAddress">Where the program, once it has set up paging, sees it.</param>
/// <param name="MemorySize">Bytes in memory; what the file does not fill is zero.</param>
public readonly record struct ElfSegment(ulong FileOffset, ulong FileSize, ulong PhysicalAddress, ulong VirtualAddress, ulong MemorySize);

/// <summary>
/// The parts of a 32- or 64-bit x86 ELF executable that a boot loader needs. System V ABI, "Object Files". Every offset is checked
/// against the file.
/// </summary>
public sealed class ElfImage
{
    private const uint Load = 1;
    private const uint Note = 4;
    private const int MaxProgramHeaders = 256;

    private ElfImage(bool is64, ulong entry, IReadOnlyList<ElfSegment> segments, IReadOnlyList<ElfSegment> notes)
    {
        Is64 = is64;
        Entry = entry;
        Segments = segments;
        Notes = notes;
    }

    public bool Is64 { get; }

    /// <summary>As the file has it: a virtual address in most kernels, a physical one in some.</summary>
    public ulong Entry { get; }

    /// <summary>
    /// Where a loader that sets up no paging enters it: the entry within its segment at the physical address of that, or, where no segment
    /// has it at its virtual address, as it stands.
    /// </summary>
    public ulong PhysicalEntry
    {
        get
        {
            ElfSegment segment = Segments.FirstOrDefault(segment => Entry - segment.VirtualAddress < segment.MemorySize);
            return Entry - segment.VirtualAddress + segment.PhysicalAddress;
        }
    }

    public IReadOnlyList<ElfSegment> Segments { get; }

    public IReadOnlyList<ElfSegment> Notes { get; }

    public static bool Matches(ReadOnlySpan<byte> image) => image.Length >= 52 && image[..4].SequenceEqual("\u007fELF"u8);

    /// <exception cref="BootImageException">The file is damaged, or not an x86 executable.</exception>
    public static ElfImage Parse(ReadOnlySpan<byte> image)
    {
        bool is64 = Matches(image) && image[4] == 2;
        if (!Matches(image) || image[4] is not (1 or 2) || image[5] != 1 || (is64 && image.Length < 64))
        {
            throw new BootImageException("The file is not a little-endian ELF executable; give an x86 kernel.");
        }

        ushort machine = BinaryPrimitives.ReadUInt16LittleEndian(image[18..]);
        if (machine is not (3 or 62))
        {
            throw new BootImageException($"The ELF file is for another processor (machine {machine}); give an x86 kernel.");
        }

        ulong entry = is64 ? BinaryPrimitives.ReadUInt64LittleEndian(image[24..]) : BinaryPrimitives.ReadUInt32LittleEndian(image[24..]);
        ulong table = is64 ? BinaryPrimitives.ReadUInt64LittleEndian(image[32..]) : BinaryPrimitives.ReadUInt32LittleEndian(image[28..]);
        int size = BinaryPrimitives.ReadUInt16LittleEndian(image[(is64 ? 54 : 42)..]);
        int count = BinaryPrimitives.ReadUInt16LittleEndian(image[(is64 ? 56 : 44)..]);
        if (count > MaxProgramHeaders || size < (is64 ? 56 : 32) || table > (ulong)image.Length
            || (ulong)count * (ulong)size > (ulong)image.Length - table)
        {
            throw new BootImageException("The ELF file is truncated: its program headers lie outside of it; build or fetch it again.");
        }

        List<ElfSegment> segments = [];
        List<ElfSegment> notes = [];
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> header = image.Slice((int)table + (i * size), size);
            uint type = BinaryPrimitives.ReadUInt32LittleEndian(header);
            if (type is not (Load or Note))
            {
                continue;
            }

            ElfSegment segment = ReadSegment(header, is64);
            if (segment.FileOffset > (ulong)image.Length || segment.FileSize > (ulong)image.Length - segment.FileOffset
                || (type == Load && segment.FileSize > segment.MemorySize))
            {
                throw new BootImageException("The ELF file is truncated: a segment lies outside of it; build or fetch it again.");
            }

            (type == Load ? segments : notes).Add(segment);
        }

        return new ElfImage(is64, entry, segments, notes);
    }

    /// <summary>Copies the segments to their physical addresses.</summary>
    /// <param name="shift">Bytes that all of them are moved by, modulo 2^64.</param>
    internal void Place(ReadOnlySpan<byte> image, GuestWriter writer, ulong shift = 0)
    {
        foreach (ElfSegment segment in Segments)
        {
            ulong at = segment.PhysicalAddress + shift;
            writer.Write(at, image.Slice((int)segment.FileOffset, (int)segment.FileSize), "kernel");
            writer.Clear(at + segment.FileSize, segment.MemorySize - segment.FileSize, "kernel");
        }
    }

    /// <summary>Lowest address of all segments.</summary>
    public ulong Start =>
        Segments.Where(segment => segment.MemorySize != 0).Select(segment => segment.PhysicalAddress).DefaultIfEmpty().Min();

    /// <summary>First address behind all segments.</summary>
    public ulong End => Segments.Where(segment => segment.MemorySize != 0)
        .Select(segment => segment.PhysicalAddress + segment.MemorySize).DefaultIfEmpty().Max();

    private static ElfSegment ReadSegment(ReadOnlySpan<byte> header, bool is64) => is64
        ? new ElfSegment(
            BinaryPrimitives.ReadUInt64LittleEndian(header[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(header[32..]),
            BinaryPrimitives.ReadUInt64LittleEndian(header[24..]),
            BinaryPrimitives.ReadUInt64LittleEndian(header[16..]),
            BinaryPrimitives.ReadUInt64LittleEndian(header[40..]))
        : new ElfSegment(
            BinaryPrimitives.ReadUInt32LittleEndian(header[4..]),
            BinaryPrimitives.ReadUInt32LittleEndian(header[16..]),
            BinaryPrimitives.ReadUInt32LittleEndian(header[12..]),
            BinaryPrimitives.ReadUInt32LittleEndian(header[8..]),
            BinaryPrimitives.ReadUInt32LittleEndian(header[20..]));
}
