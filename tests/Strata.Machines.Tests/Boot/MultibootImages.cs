namespace Strata.Machines.Tests.Boot;

/// <summary>Synthetic multiboot images with address fields. Multiboot specification 0.6.96, "The layout of Multiboot header".</summary>
internal static class MultibootImages
{
    public const int HeaderOffset = 0x40;
    public const uint LoadAddress = 0x200000;
    public const uint Entry = 0x200100;
    public const int Size = 0x1000;
    public const uint BssSize = 0x2000;

    private const uint AddressFields = 1 << 16;

    /// <summary>Magic, flags and checksum.</summary>
    public static byte[] Header(uint flags)
    {
        const uint magic = 0x1BADB002;
        return new byte[12].Put32(0, magic).Put32(4, flags).Put32(8, unchecked(0 - (magic + flags)));
    }

    public static byte[] Create() => LittleEndian.Pattern(Size, 50)
        .PutBytes(HeaderOffset, Header(AddressFields | 3))
        .Put32(HeaderOffset + 12, LoadAddress + HeaderOffset) // header_addr
        .Put32(HeaderOffset + 16, LoadAddress) // load_addr
        .Put32(HeaderOffset + 20, LoadAddress + Size) // load_end_addr
        .Put32(HeaderOffset + 24, LoadAddress + Size + BssSize) // bss_end_addr
        .Put32(HeaderOffset + 28, Entry);
}
