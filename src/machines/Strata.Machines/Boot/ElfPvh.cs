using System.Buffers.Binary;
using System.Text;

namespace Strata.Machines.Boot;

/// <summary>
/// The x86/HVM direct boot ABI ("PVH"): an ELF file whose Xen note names a 32-bit entry point. Xen documentation, "x86/HVM direct boot ABI".
/// </summary>
public static class ElfPvh
{
    private const uint NotePhysicalEntry = 18;
    private const uint StartMagic = 0x336EC578;
    private const ulong StartInfo = 0xD000;
    private const ulong ModuleTable = 0xD100;
    private const ulong MemoryMapAddress = 0xD200;
    private const ulong CommandLine = 0x20000;
    private const int CommandLineLimit = 4095;

    /// <summary>Whether the bytes are an ELF file with an entry note; a damaged file is none.</summary>
    public static bool Matches(ReadOnlySpan<byte> image)
    {
        try
        {
            return ElfImage.Matches(image) && FindEntry(image, ElfImage.Parse(image)) is not null;
        }
        catch (BootImageException)
        {
            return false;
        }
    }

    /// <exception cref="BootImageException">The image is damaged or does not fit.</exception>
    public static BootEntry Load(BootRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        ReadOnlySpan<byte> image = request.Kernel;
        ElfImage elf = ElfImage.Parse(image);
        uint entry = FindEntry(image, elf)
            ?? throw new BootImageException("The ELF file has no PVH entry note; give a kernel built with CONFIG_PVH, or its bzImage.");
        GuestWriter writer = new(request.Memory);
        elf.Place(image, writer);
        byte[] text = Encoding.UTF8.GetBytes(request.CommandLine);
        if (text.Length > CommandLineLimit)
        {
            throw new BootImageException($"The command line has {text.Length} bytes, the loader takes {CommandLineLimit}; shorten it.");
        }

        writer.Write(CommandLine, [.. text, 0], "command line");
        WriteStartInfo(request, writer, elf.End);
        return new BootEntry(EntryMode.Protected32, entry, Rbx: StartInfo);
    }

    /// <summary>The value of the XEN_ELFNOTE_PHYS32_ENTRY note.</summary>
    private static uint? FindEntry(ReadOnlySpan<byte> image, ElfImage elf)
    {
        foreach (ElfSegment segment in elf.Notes)
        {
            ReadOnlySpan<byte> notes = image.Slice((int)segment.FileOffset, (int)segment.FileSize);
            while (notes.Length >= 12)
            {
                uint nameSize = BinaryPrimitives.ReadUInt32LittleEndian(notes);
                uint size = BinaryPrimitives.ReadUInt32LittleEndian(notes[4..]);
                uint type = BinaryPrimitives.ReadUInt32LittleEndian(notes[8..]);
                ulong nameEnd = 12UL + ((nameSize + 3UL) & ~3UL);
                ulong end = nameEnd + ((size + 3UL) & ~3UL);
                if (end > (ulong)notes.Length)
                {
                    break;
                }

                if (type == NotePhysicalEntry && nameSize == 4 && size >= 4 && notes.Slice(12, 4).SequenceEqual("Xen\0"u8))
                {
                    return BinaryPrimitives.ReadUInt32LittleEndian(notes[(int)nameEnd..]);
                }

                notes = notes[(int)end..];
            }
        }

        return null;
    }

    private static void WriteStartInfo(BootRequest request, GuestWriter writer, ulong kernelEnd)
    {
        byte[] info = new byte[56];
        BinaryPrimitives.WriteUInt32LittleEndian(info, StartMagic);
        BinaryPrimitives.WriteUInt32LittleEndian(info.AsSpan(4), 1);
        if (request.Initrd is { Length: > 0 } initrd)
        {
            ulong start = (Math.Max(kernelEnd, 0x100000) + 0x1FFFFF) & ~0x1FFFFFUL;
            writer.Write(start, initrd, "initrd");
            writer.Write64(ModuleTable, start, "module table");
            writer.Write64(ModuleTable + 8, (ulong)initrd.Length, "module table");
            writer.Clear(ModuleTable + 16, 16, "module table");
            BinaryPrimitives.WriteUInt32LittleEndian(info.AsSpan(12), 1);
            BinaryPrimitives.WriteUInt64LittleEndian(info.AsSpan(16), ModuleTable);
        }

        BinaryPrimitives.WriteUInt64LittleEndian(info.AsSpan(24), CommandLine);
        BinaryPrimitives.WriteUInt64LittleEndian(info.AsSpan(32), request.Rsdp);
        BinaryPrimitives.WriteUInt64LittleEndian(info.AsSpan(40), MemoryMapAddress);
        BinaryPrimitives.WriteUInt32LittleEndian(info.AsSpan(48), (uint)request.MemoryMap.Count);
        writer.Write(StartInfo, info, "start information");
        byte[] map = new byte[request.MemoryMap.Count * 24];
        for (int i = 0; i < request.MemoryMap.Count; i++)
        {
            Span<byte> at = map.AsSpan(i * 24);
            BinaryPrimitives.WriteUInt64LittleEndian(at, request.MemoryMap[i].Start);
            BinaryPrimitives.WriteUInt64LittleEndian(at[8..], request.MemoryMap[i].Length);
            BinaryPrimitives.WriteUInt32LittleEndian(at[16..], request.MemoryMap[i].Kind);
        }

        writer.Write(MemoryMapAddress, map, "memory map");
    }
}
