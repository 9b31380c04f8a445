using System.Buffers.Binary;

namespace Strata.Machines.Boot;

/// <summary>
/// Multiboot specification 0.6.96: ELF images and images with address fields, command line with the kernel's name in front, memory map,
/// and modules, of which the initrd is the first.
/// <code>
/// information: flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4],
///              mmap_length, mmap_addr, drives[2], config_table, boot_loader_name
/// </code>
/// </summary>
public static class Multiboot1
{
    private const uint HeaderMagic = 0x1BADB002;
    private const uint LoaderMagic = 0x2BADB002;
    private const int SearchLimit = 8192;
    private const uint FlagAddressFields = 1 << 16;
    private const uint UnknownRequired = 0xFFF8;
    private const int InformationSize = 88;
    private const int ModuleEntrySize = 16;
    private const int MemoryMapEntrySize = 24;
    private const ulong ModuleAlignment = 0x1000;
    private const ulong OneMegabyte = 0x100000;
    private const ulong MostLowMemory = 640 << 10;
    private const uint InfoMemory = 1 << 0;
    private const uint InfoCommandLine = 1 << 2;
    private const uint InfoModules = 1 << 3;
    private const uint InfoMemoryMap = 1 << 6;
    private const uint InfoLoaderName = 1 << 9;

    public static bool Matches(ReadOnlySpan<byte> image) => FindHeader(image) >= 0;

    /// <exception cref="BootImageException">The image is damaged or does not fit.</exception>
    public static BootEntry Load(BootRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        ReadOnlySpan<byte> image = request.Kernel.Span;
        int at = FindHeader(image);
        if (at < 0)
        {
            throw new BootImageException("The file has no multiboot header; give a multiboot kernel.");
        }

        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(image[(at + 4)..]);
        if ((flags & UnknownRequired) != 0)
        {
            throw new BootImageException(
                $"The multiboot image asks for features 0x{flags & 0xFFFF:x} that do not exist here; build it without them.");
        }

        GuestWriter writer = new(request.Memory);
        (ulong entry, ulong end) = (flags & FlagAddressFields) != 0
            ? LoadByAddresses(image, at, writer)
            : LoadElf(image, writer);
        BootInformation information = new(request, writer);
        IReadOnlyList<ulong> modules = information.PlaceModules(end, ModuleAlignment);
        ulong address = information.PlaceTables(at => BuildInformation(request, modules, at));
        return new BootEntry(EntryMode.Protected32, entry, LoaderMagic, address, ExpectsBios: true);
    }

    private static int FindHeader(ReadOnlySpan<byte> image)
    {
        for (int at = 0; at + 12 <= Math.Min(image.Length, SearchLimit); at += 4)
        {
            uint magic = BinaryPrimitives.ReadUInt32LittleEndian(image[at..]);
            uint flags = BinaryPrimitives.ReadUInt32LittleEndian(image[(at + 4)..]);
            uint checksum = BinaryPrimitives.ReadUInt32LittleEndian(image[(at + 8)..]);
            if (magic == HeaderMagic && magic + flags + checksum == 0)
            {
                return at;
            }
        }

        return -1;
    }

    private static (ulong Entry, ulong End) LoadElf(ReadOnlySpan<byte> image, GuestWriter writer)
    {
        ElfImage elf = ElfImage.Parse(image);
        elf.Place(image, writer);
        ulong entry = elf.PhysicalEntry;
        if (entry > uint.MaxValue || elf.End > uint.MaxValue)
        {
            throw new BootImageException(
                $"The multiboot image is entered at 0x{entry:x} and ends at 0x{elf.End:x}, but starts in 32-bit mode; link it below 4 " +
                $"GiB.");
        }

        return (entry, elf.End);
    }

    private static (ulong Entry, ulong End) LoadByAddresses(ReadOnlySpan<byte> image, int at, GuestWriter writer)
    {
        if (at + 32 > image.Length)
        {
            throw new BootImageException("The multiboot image is truncated inside its header; fetch it again.");
        }

        uint header = BinaryPrimitives.ReadUInt32LittleEndian(image[(at + 12)..]);
        uint load = BinaryPrimitives.ReadUInt32LittleEndian(image[(at + 16)..]);
        uint loadEnd = BinaryPrimitives.ReadUInt32LittleEndian(image[(at + 20)..]);
        uint bssEnd = BinaryPrimitives.ReadUInt32LittleEndian(image[(at + 24)..]);
        uint entry = BinaryPrimitives.ReadUInt32LittleEndian(image[(at + 28)..]);
        long start = at - ((long)header - load);
        long size = loadEnd == 0 ? image.Length - start : (long)loadEnd - load;
        if (load > header || start < 0 || size < 0 || start + size > image.Length)
        {
            throw new BootImageException("The multiboot image's address fields do not fit the file; build it again.");
        }

        if (bssEnd != 0 && bssEnd < load + size)
        {
            throw new BootImageException(
                $"The multiboot image's zeroed memory ends at 0x{bssEnd:x}, before its loaded part does at 0x{load + size:x}; correct " +
                $"bss_end_addr, or make it 0.");
        }

        writer.Write(load, image.Slice((int)start, (int)size), "kernel");
        ulong end = load + (ulong)size;
        if (bssEnd > end)
        {
            writer.Clear(end, bssEnd - end, "kernel");
            end = bssEnd;
        }

        return (entry, end);
    }

    private static byte[] BuildInformation(BootRequest request, IReadOnlyList<ulong> modules, ulong address)
    {
        TableBlock block = new(address);
        ulong info = block.Add(new byte[InformationSize]);
        string commandLine = request.CommandLine.Length == 0 ? request.KernelName : $"{request.KernelName} {request.CommandLine}";
        uint flags = InfoMemory | InfoCommandLine | InfoMemoryMap | InfoLoaderName;
        block.Put32(info, modules.Count == 0 ? flags : flags | InfoModules);
        block.Put32(info + 4, LowKilobytes(request));
        block.Put32(info + 8, (uint)((request.LowMemory - OneMegabyte) >> 10));
        block.Put32(info + 16, (uint)block.Add(BootInformation.Terminated(commandLine, "command line")));
        block.Put32(info + 20, (uint)modules.Count);
        block.Put32(info + 24, (uint)AddModules(block, request.AllModules, modules));
        block.Put32(info + 44, (uint)request.MemoryMap.Count * MemoryMapEntrySize);
        block.Put32(info + 48, (uint)AddMemoryMap(block, request.MemoryMap));
        block.Put32(info + 64, (uint)block.Add("Strata\0"u8));
        return block.ToArray();
    }

    /// <summary>KiB of RAM from address zero on: up to what firmware keeps for itself.</summary>
    private static uint LowKilobytes(BootRequest request) =>
        (uint)(request.MemoryMap.Where(entry => entry is { Kind: 1, Start: 0 })
            .Select(entry => Math.Min(entry.Length, MostLowMemory))
            .FirstOrDefault() >> 10);

    /// <returns>Address of the table.</returns>
    private static ulong AddModules(TableBlock block, IReadOnlyList<BootModule> modules, IReadOnlyList<ulong> addresses)
    {
        ulong table = block.Add(new byte[modules.Count * ModuleEntrySize]);
        for (int i = 0; i < modules.Count; i++)
        {
            ulong at = table + (ulong)(i * ModuleEntrySize);
            block.Put32(at, (uint)addresses[i]);
            block.Put32(at + 4, (uint)(addresses[i] + (ulong)modules[i].Content.Length));
            block.Put32(at + 8, (uint)block.Add(BootInformation.Terminated(modules[i].Text, "module's string")));
        }

        return table;
    }

    /// <returns>Address of the table.</returns>
    private static ulong AddMemoryMap(TableBlock block, IReadOnlyList<MemoryMapEntry> map)
    {
        ulong table = block.Add(new byte[map.Count * MemoryMapEntrySize]);
        for (int i = 0; i < map.Count; i++)
        {
            ulong at = table + (ulong)(i * MemoryMapEntrySize);
            block.Put32(at, MemoryMapEntrySize - 4); // the size does not count itself
            block.Put64(at + 4, map[i].Start);
            block.Put64(at + 12, map[i].Length);
            block.Put32(at + 20, map[i].Kind);
        }

        return table;
    }
}
