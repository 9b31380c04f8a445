using System.Buffers.Binary;

namespace Strata.Machines.Boot;

/// <summary>What an image asks of its loader. Multiboot2 specification 2.0, "OS image format".</summary>
internal sealed class Multiboot2Header
{
    private const uint Magic = 0xE85250D6;
    private const uint ArchitectureI386 = 0;
    private const int SearchLimit = 32768;
    private const int FixedSize = 16;
    private const ushort Optional = 1;
    private const uint LargestInformationTag = 21;

    private enum Tag : ushort
    {
        End = 0,
        InformationRequest = 1,
        Address = 2,
        EntryAddress = 3,
        ConsoleFlags = 4,
        Framebuffer = 5,
        ModuleAlignment = 6,
        EfiBootServices = 7,
        EfiI386Entry = 8,
        EfiAmd64Entry = 9,
        Relocatable = 10,
    }

    private Multiboot2Header(int offset) => Offset = offset;

    /// <summary>Bytes from the image's start.</summary>
    public int Offset { get; }

    /// <summary>Where the image goes if it says so itself: header_addr, load_addr, load_end_addr, bss_end_addr.</summary>
    public (uint Header, uint Load, uint LoadEnd, uint BssEnd)? Address { get; private set; }

    public uint? Entry { get; private set; }

    /// <summary>Null for an image that runs at its own address only.</summary>
    public (uint Lowest, uint Highest, uint Alignment, uint Preference)? Relocation { get; private set; }

    /// <summary>Where a header begins; negative for nowhere.</summary>
    public static int Find(ReadOnlySpan<byte> image)
    {
        for (int at = 0; at + FixedSize <= Math.Min(image.Length, SearchLimit); at += 8)
        {
            if (Word(image, at) == Magic && Word(image, at + 4) == ArchitectureI386
                && unchecked(Magic + ArchitectureI386 + Word(image, at + 8) + Word(image, at + 12)) == 0)
            {
                return at;
            }
        }

        return -1;
    }

    /// <exception cref="BootImageException">It is damaged, or asks for what does not exist here.</exception>
    public static Multiboot2Header Parse(ReadOnlySpan<byte> image)
    {
        int offset = Find(image);
        if (offset < 0)
        {
            throw new BootImageException("The file has no multiboot2 header; give a multiboot2 kernel.");
        }

        uint length = Word(image, offset + 8);
        if (length < FixedSize || length > SearchLimit || length > image.Length - offset)
        {
            throw Damaged();
        }

        Multiboot2Header header = new(offset);
        ReadOnlySpan<byte> tags = image.Slice(offset, (int)length)[FixedSize..];
        while (tags.Length >= 8 && (Tag)BinaryPrimitives.ReadUInt16LittleEndian(tags) != Tag.End)
        {
            uint size = Word(tags, 4);
            if (size < 8 || size > tags.Length)
            {
                throw Damaged();
            }

            header.Take(
                (Tag)BinaryPrimitives.ReadUInt16LittleEndian(tags), (BinaryPrimitives.ReadUInt16LittleEndian(tags[2..]) & Optional) != 0,
                tags[8..(int)size]);
            tags = tags[Math.Min(tags.Length, (int)((size + 7) & ~7u))..];
        }

        return header;
    }

    private static uint Word(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static BootImageException Damaged() =>
        new("The multiboot2 image is damaged: its header's tags do not fit into it; build or fetch it again.");

    private void Take(Tag tag, bool isOptional, ReadOnlySpan<byte> body)
    {
        int words = tag switch
        {
            Tag.Address or Tag.Relocatable => 4,
            Tag.EntryAddress or Tag.ConsoleFlags => 1,
            _ => 0,
        };
        if (body.Length < words * 4)
        {
            throw Damaged();
        }

        switch (tag)
        {
            case Tag.InformationRequest:
                CheckRequest(isOptional, body);
                break;
            case Tag.Address:
                Address = (Word(body, 0), Word(body, 4), Word(body, 8), Word(body, 12));
                break;
            case Tag.EntryAddress:
                Entry = Word(body, 0);
                break;
            case Tag.ConsoleFlags when (Word(body, 0) & 1) != 0 && !isOptional:
                throw new BootImageException(
                    "The multiboot2 image wants a screen, and the machine has none that its loader could tell it of; build it with a " +
                    "serial console.");
            case Tag.Relocatable:
                Relocation = (Word(body, 0), Word(body, 4), Word(body, 8), Word(body, 12));
                break;
            case Tag.ConsoleFlags or Tag.Framebuffer or Tag.ModuleAlignment: // a wish; modules lie on pages always
            case Tag.EfiBootServices or Tag.EfiI386Entry or Tag.EfiAmd64Entry: // other ways into it, by a firmware that is not here
                break;
            default:
                if (!isOptional)
                {
                    throw new BootImageException(
                        $"The multiboot2 image asks for the feature {(ushort)tag} that does not exist here; build it without that.");
                }

                break;
        }
    }

    private static void CheckRequest(bool isOptional, ReadOnlySpan<byte> types)
    {
        for (int at = 0; at + 4 <= types.Length && !isOptional; at += 4)
        {
            if (Word(types, at) > LargestInformationTag)
            {
                throw new BootImageException(
                    $"The multiboot2 image needs information of type {Word(types, at)} that does not exist here; build it without that.");
            }
        }
    }
}
