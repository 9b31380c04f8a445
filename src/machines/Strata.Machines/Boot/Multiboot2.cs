namespace Strata.Machines.Boot;

/// <summary>
/// Multiboot2 specification 2.0 on i386, entered in 32-bit mode: ELF images, with sections, and images with an address tag; images that may
/// be moved are, where they want to; command line with the kernel's name in front, memory, modules, of which the initrd is the first, and
/// ACPI.
/// </summary>
public static class Multiboot2
{
    private const uint LoaderMagic = 0x36D76289;
    private const ulong ModuleAlignment = 0x1000;
    private const ulong OneMegabyte = 0x100000;
    private const ulong FourGigabytes = 1UL << 32;
    private const uint PreferLowest = 1;
    private const uint PreferHighest = 2;

    public static bool Matches(ReadOnlySpan<byte> image) => Multiboot2Header.Find(image) >= 0;

    /// <exception cref="BootImageException">The image is damaged or does not fit.</exception>
    public static BootEntry Load(BootRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        Multiboot2Header header = Multiboot2Header.Parse(request.Kernel.Span);
        GuestWriter writer = new(request.Memory);
        ElfSectionTable? sections = null;
        (ulong start, ulong entry, ulong end) = header.Address is null
            ? LoadElf(request, header, writer, out sections)
            : LoadByAddresses(request.Kernel.Span, header, writer);
        BootInformation information = new(request, writer);
        IReadOnlyList<ulong> modules = information.PlaceModules(end, ModuleAlignment);
        byte[] tags = Multiboot2Information.Build(request, modules, sections, start);
        ulong address = information.PlaceTables(_ => tags);
        return new BootEntry(EntryMode.Protected32, entry, LoaderMagic, address, ExpectsBios: true);
    }

    private static (
        ulong Start, ulong Entry,
        ulong End) LoadElf(BootRequest request, Multiboot2Header header, GuestWriter writer, out ElfSectionTable? sections)
    {
        ReadOnlySpan<byte> image = request.Kernel.Span;
        ElfImage elf = ElfImage.Parse(image);
        ulong linkedEntry = header.Entry ?? elf.PhysicalEntry;
        ulong shift = FindPlace(request, header, elf) - elf.Start;
        ulong entry = linkedEntry + shift;
        ulong end = elf.End + shift;
        if (entry >= FourGigabytes || end > FourGigabytes || elf.End < elf.Start)
        {
            throw new BootImageException(
                $"The multiboot2 image is entered at 0x{linkedEntry:x} and ends at 0x{elf.End:x}, but starts in 32-bit mode; link it " +
                $"below 4 GiB.");
        }

        elf.Place(image, writer, shift);
        sections = ElfSectionTable.Read(image);
        end = sections?.Place(image, request, writer, Math.Max(end, OneMegabyte)) ?? end;
        return (elf.Start + shift, entry, end);
    }

    /// <summary>Where the image begins: where it is linked, or where one that may be moved would rather be.</summary>
    private static ulong FindPlace(BootRequest request, Multiboot2Header header, ElfImage elf)
    {
        ulong length = elf.End - elf.Start;
        if (header.Relocation is not { } relocation || length == 0)
        {
            return elf.Start;
        }

        ulong alignment = relocation.Alignment;
        if (alignment == 0 || (alignment & (alignment - 1)) != 0)
        {
            throw new BootImageException(
                $"The multiboot2 image may be moved in steps of {alignment} bytes, which is no power of two; correct its header.");
        }

        ulong highest = Math.Min(request.LowMemory, relocation.Highest + 1UL);
        ulong lowest = Math.Max(relocation.Lowest, OneMegabyte);
        bool isAllowed = elf.Start >= lowest && elf.Start % alignment == 0 && elf.End <= highest;
        if (relocation.Preference is not (PreferLowest or PreferHighest) && isAllowed)
        {
            return elf.Start;
        }

        ulong? place = relocation.Preference == PreferHighest
            ? GuestWriter.FindHighest(request.MemoryMap, length, alignment, lowest, highest)
            : new GuestWriter(request.Memory).FindFree(request.MemoryMap, length, alignment, lowest, highest);
        return place ?? throw new BootImageException(
            $"The multiboot2 image ({length:N0} bytes) does not fit between 0x{relocation.Lowest:x} and 0x{relocation.Highest:x}; give " +
            $"the machine more memory.");
    }

    private static (
        ulong Start, ulong Entry, ulong End) LoadByAddresses(ReadOnlySpan<byte> image, Multiboot2Header header, GuestWriter writer)
    {
        (uint headerAddress, uint load, uint loadEnd, uint bssEnd) = header.Address!.Value;
        long start = load == uint.MaxValue ? 0 : header.Offset - ((long)headerAddress - load); // all ones: from the file's start on
        ulong at = load == uint.MaxValue ? headerAddress - (ulong)header.Offset : load;
        long size = loadEnd == 0 ? image.Length - start : (long)loadEnd - (long)at;
        if ((load != uint.MaxValue && load > headerAddress) || at >= FourGigabytes || start < 0 || size < 0 || start + size > image.Length)
        {
            throw new BootImageException("The multiboot2 image's addresses do not fit the file; build it again.");
        }

        if (bssEnd != 0 && bssEnd < at + (ulong)size)
        {
            throw new BootImageException(
                $"The multiboot2 image's zeroed memory ends at 0x{bssEnd:x}, before its loaded part does at 0x{at + (ulong)size:x}; " +
                $"correct bss_end_addr, or make it 0.");
        }

        writer.Write(at, image.Slice((int)start, (int)size), "kernel");
        ulong end = at + (ulong)size;
        if (bssEnd > end)
        {
            writer.Clear(end, bssEnd - end, "kernel");
            end = bssEnd;
        }

        return header.Entry is { } entry
            ? (at, entry, end)
            : throw new BootImageException(
                "The multiboot2 image says where it goes, but not where it is entered; add an entry address tag.");
    }
}
