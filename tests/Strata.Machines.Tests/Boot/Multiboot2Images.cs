namespace Strata.Machines.Tests.Boot;

/// <summary>Synthetic multiboot2 images. Multiboot2 specification 2.0, "The layout of Multiboot2 header".</summary>
internal static class Multiboot2Images
{
    public const int HeaderOffset = 0x40;
    public const uint LoadAddress = 0x200000;
    public const uint Entry = 0x200100;
    public const int Size = 0x1000;
    public const uint BssSize = 0x2000;
    public const int ElfHeaderOffset = 0x800;

    /// <summary>Header and tags, with the tag that ends them.</summary>
    public static byte[] Header(params byte[][] tags)
    {
        const uint magic = 0xE85250D6;
        byte[] body = [.. tags.SelectMany(tag => tag), .. Tag(0, 0)];
        uint length = 16 + (uint)body.Length;
        return [.. new byte[16].Put32(0, magic).Put32(8, length).Put32(12, unchecked(0 - (magic + length))), .. body];
    }

    public static byte[] Tag(ushort type, ushort flags, params uint[] words)
    {
        byte[] tag = new byte[(8 + (words.Length * 4) + 7) & ~7];
        tag.Put16(0, type).Put16(2, flags).Put32(4, 8 + ((uint)words.Length * 4));
        for (int i = 0; i < words.Length; i++)
        {
            tag.Put32(8 + (i * 4), words[i]);
        }

        return tag;
    }

    /// <summary>An image with an address tag.</summary>
    public static byte[] Create(params byte[][] more) => LittleEndian.Pattern(Size, 50).PutBytes(HeaderOffset, Header(
        [Tag(2, 0, LoadAddress + HeaderOffset, LoadAddress, LoadAddress + Size, LoadAddress + Size + BssSize), Tag(3, 0, Entry), .. more]));

    public static byte[] CreateElf(bool is64, params byte[][] tags) => ElfImages.Create(is64).PutBytes(ElfHeaderOffset, Header(tags));
}
