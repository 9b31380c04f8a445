using System.Buffers.Binary;

namespace Strata.Machines.Boot;

/// <summary>
/// The x86/HVM direct boot ABI ("PVH"): an ELF file whose Xen note names a 32-bit entry point. Xen documentation, "x86/HVM direct boot
/// ABI".
/// </summary>
public static class ElfPvh
{
    private const uint NotePhysicalEntry = 18;
    private const uint StartMagic = 0x336EC578;
    private const int StartInfoSize = 56;
    private const int ModuleEntrySize = 32;
    private const int MemoryMapEntrySize = 24;
    private const ulong ModuleAlignment = 0x200000;

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
        ReadOnlySpan<byte> image = request.Kernel.Span;
        ElfImage elf = ElfImage.Parse(image);
        uint entry = FindEntry(image, elf)
            ?? throw new BootImageException("The ELF file has no PVH entry note; give a kernel built with CONFIG_PVH, or its bzImage.");
        GuestWriter writer = new(request.Memory);
        elf.Place(image, writer);
        BootInformation information = new(request, writer);
        IReadOnlyList<ulong> modules = information.PlaceModules(elf.End, ModuleAlignment);
        ulong address = information.PlaceTables(at => BuildStartInfo(request, modules, at));
        return new BootEntry(EntryMode.Protected32, entry, Rbx: address);
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

    private static byte[] BuildStartInfo(BootRequest request, IReadOnlyList<ulong> modules, ulong address)
    {
        TableBlock block = new(address);
        ulong info = block.Add(new byte[StartInfoSize]);
        block.Put32(info, StartMagic);
        block.Put32(info + 4, 1);
        block.Put32(info + 12, (uint)modules.Count);
        block.Put64(info + 16, modules.Count == 0 ? 0 : AddModules(block, request, modules));
        block.Put64(info + 24, block.Add(BootInformation.Terminated(request.CommandLine, "command line")));
        block.Put64(info + 32, request.Rsdp);
        block.Put32(info + 48, (uint)request.MemoryMap.Count);
        ulong map = block.Add(new byte[request.MemoryMap.Count * MemoryMapEntrySize]);
        block.Put64(info + 40, map);
        for (int i = 0; i < request.MemoryMap.Count; i++)
        {
            ulong at = map + (ulong)(i * MemoryMapEntrySize);
            block.Put64(at, request.MemoryMap[i].Start);
            block.Put64(at + 8, request.MemoryMap[i].Length);
            block.Put32(at + 16, request.MemoryMap[i].Kind);
        }

        return block.ToArray();
    }

    /// <summary>The initrd has no string: its name says nothing to those who boot by this protocol.</summary>
    /// <returns>Address of the table.</returns>
    private static ulong AddModules(TableBlock block, BootRequest request, IReadOnlyList<ulong> addresses)
    {
        ulong table = block.Add(new byte[addresses.Count * ModuleEntrySize]);
        int initrds = addresses.Count - request.Modules.Count;
        for (int i = 0; i < addresses.Count; i++)
        {
            ulong at = table + (ulong)(i * ModuleEntrySize);
            block.Put64(at, addresses[i]);
            block.Put64(at + 8, (ulong)request.AllModules[i].Content.Length);
            block.Put64(at + 16, i < initrds ? 0 : block.Add(BootInformation.Terminated(request.AllModules[i].Text, "module's string")));
        }

        return table;
    }
}
