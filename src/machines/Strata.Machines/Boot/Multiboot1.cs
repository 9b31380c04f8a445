using System.Buffers.Binary;
using System.Text;

namespace Strata.Machines.Boot;

/// <summary>
/// Multiboot specification 0.6.96: ELF images and images with address fields, command line, memory map, and the initrd as the
/// first module.
/// <code>
/// information at 0xD000: flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4],
///                        mmap_length, mmap_addr, drives[2], config_table, boot_loader_name
/// </code>
/// </summary>
public static class Multiboot1
{
    private const uint HeaderMagic = 0x1BADB002;
    private const uint LoaderMagic = 0x2BADB002;
    private const int SearchLimit = 8192;
    private const uint FlagAddressFields = 1 << 16;
    private const uint UnknownRequired = 0xFFF8;
    private const ulong Information = 0xD000;
    private const ulong MemoryMapAddress = 0xD100;
    private const ulong ModuleTable = 0xD800;
    private const ulong LoaderName = 0xD900;
    private const ulong CommandLine = 0x20000;
    private const int CommandLineLimit = 4095;
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
        ReadOnlySpan<byte> image = request.Kernel;
        int at = FindHeader(image);
        if (at < 0)
        {
            throw new BootImageException("The file has no multiboot header; give a multiboot kernel.");
        }

        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(image[(at + 4)..]);
        if ((flags & UnknownRequired) != 0)
        {
            throw new BootImageException($"The multiboot image asks for features 0x{flags & 0xFFFF:x} that do not exist here; build it without them.");
        }

        GuestWriter writer = new(request.Memory);
        (ulong entry, ulong end) = (flags & FlagAddressFields) != 0
            ? LoadByAddresses(image, at, writer)
            : LoadElf(image, writer);
        WriteInformation(request, writer, end);
        return new BootEntry(EntryMode.Protected32, entry, LoaderMagic, Information);
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
        if (elf.Entry > uint.MaxValue || elf.End > uint.MaxValue)
        {
            throw new BootImageException($"The multiboot image is entered at 0x{elf.Entry:x} and ends at 0x{elf.End:x}, but starts in 32-bit mode; link it below 4 GiB.");
        }

        return (elf.Entry, elf.End);
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

        writer.Write(load, image.Slice((int)start, (int)size), "kernel");
        ulong end = load + (ulong)size;
        if (bssEnd > end)
        {
            writer.Clear(end, bssEnd - end, "kernel");
            end = bssEnd;
        }

        return (entry, end);
    }

    private static void WriteInformation(BootRequest request, GuestWriter writer, ulong kernelEnd)
    {
        byte[] text = Encoding.UTF8.GetBytes(request.CommandLine);
        if (text.Length > CommandLineLimit)
        {
            throw new BootImageException($"The command line has {text.Length} bytes, the loader takes {CommandLineLimit}; shorten it.");
        }

        byte[] info = new byte[88];
        uint flags = InfoMemory | InfoCommandLine | InfoMemoryMap | InfoLoaderName;
        writer.Write(CommandLine, [.. text, 0], "command line");
        writer.Write(LoaderName, "Strata\0"u8, "loader name");
        if (request.Initrd is { Length: > 0 } initrd)
        {
            ulong start = (Math.Max(kernelEnd, 0x100000) + 0xFFF) & ~0xFFFUL;
            writer.Write(start, initrd, "initrd");
            byte[] module = new byte[16];
            BinaryPrimitives.WriteUInt32LittleEndian(module, (uint)start);
            BinaryPrimitives.WriteUInt32LittleEndian(module.AsSpan(4), (uint)(start + (ulong)initrd.Length));
            BinaryPrimitives.WriteUInt32LittleEndian(module.AsSpan(8), (uint)CommandLine);
            writer.Write(ModuleTable, module, "module table");
            flags |= InfoModules;
            Put(info, 20, 1);
            Put(info, 24, (uint)ModuleTable);
        }

        Put(info, 0, flags);
        Put(info, 4, 640);
        Put(info, 8, (uint)((request.LowMemory - 0x100000) >> 10));
        Put(info, 16, (uint)CommandLine);
        Put(info, 44, WriteMemoryMap(request, writer));
        Put(info, 48, (uint)MemoryMapAddress);
        Put(info, 64, (uint)LoaderName);
        writer.Write(Information, info, "multiboot information");
    }

    /// <returns>Bytes written.</returns>
    private static uint WriteMemoryMap(BootRequest request, GuestWriter writer)
    {
        byte[] map = new byte[request.MemoryMap.Count * 24];
        for (int i = 0; i < request.MemoryMap.Count; i++)
        {
            Span<byte> at = map.AsSpan(i * 24);
            BinaryPrimitives.WriteUInt32LittleEndian(at, 20);
            BinaryPrimitives.WriteUInt64LittleEndian(at[4..], request.MemoryMap[i].Start);
            BinaryPrimitives.WriteUInt64LittleEndian(at[12..], request.MemoryMap[i].Length);
            BinaryPrimitives.WriteUInt32LittleEndian(at[20..], request.MemoryMap[i].Kind);
        }

        writer.Write(MemoryMapAddress, map, "memory map");
        return (uint)map.Length;
    }

    private static void Put(byte[] info, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(info.AsSpan(offset), value);
}
