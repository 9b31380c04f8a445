namespace Strata.Machines.Tests.Boot;

/// <summary>Synthetic ELF executables. System V ABI, "Object Files".</summary>
internal static class ElfImages
{
    public const uint Entry = 0x200040;
    public const uint FirstAddress = 0x200000;
    public const int FirstSize = 1000;
    public const uint SecondAddress = 0x300000;
    public const int SecondSize = 64;
    public const int SecondMemory = 5000;
    public const uint PvhEntry = 0x200080;

    /// <summary>What virtual addresses have in addition.</summary>
    public const uint KernelBase = 0xC0000000;

    private const int FirstOffset = 0x1000;
    private const int SecondOffset = 0x1400;
    private const int NoteOffset = 0x1500;
    private const int MultibootOffset = 0x800;
    private const uint Load = 1;
    private const uint Note = 4;

    public static byte[] First => LittleEndian.Pattern(FirstSize, 3);

    public static byte[] Second => LittleEndian.Pattern(SecondSize, 100);

    /// <summary>Xen note XEN_ELFNOTE_PHYS32_ENTRY (18) behind a note of another kind.</summary>
    public static byte[] Notes => new byte[40]
        .Put32(0, 4).Put32(4, 2).Put32(8, 1).PutBytes(12, "GNU\0"u8).PutBytes(16, [1, 2, 0, 0])
        .Put32(20, 4).Put32(24, 4).Put32(28, 18).PutBytes(32, "Xen\0"u8).Put32(36, PvhEntry);

    /// <summary>Two loadable segments, the second with zeroed memory behind it, and notes.</summary>
    public static byte[] Create(bool is64)
    {
        byte[] image = new byte[NoteOffset + Notes.Length]
            .PutBytes(0, "\u007fELF"u8)
            .PutBytes(4, [(byte)(is64 ? 2 : 1), 1, 1])
            .Put16(16, 2) // ET_EXEC
            .Put16(18, (ushort)(is64 ? 62 : 3)) // EM_X86_64, EM_386
            .Put32(20, 1)
            .PutBytes(FirstOffset, First)
            .PutBytes(SecondOffset, Second)
            .PutBytes(NoteOffset, Notes);
        _ = is64
            ? image.Put64(24, Entry).Put64(32, 64).Put16(52, 64).Put16(54, 56).Put16(56, 3)
            : image.Put32(24, Entry).Put32(28, 52).Put16(40, 52).Put16(42, 32).Put16(44, 3);
        PutSegment(image, is64, 0, Load, FirstOffset, FirstAddress, FirstSize, FirstSize);
        PutSegment(image, is64, 1, Load, SecondOffset, SecondAddress, SecondSize, SecondMemory);
        PutSegment(image, is64, 2, Note, NoteOffset, 0, (ulong)Notes.Length, (ulong)Notes.Length);
        return image;
    }

    /// <summary>The same with a multiboot header.</summary>
    public static byte[] CreateMultiboot(bool is64) => Create(is64).PutBytes(MultibootOffset, MultibootImages.Header(flags: 3));

    /// <summary>Writes a program header; "virtual" addresses differ from the physical ones on purpose.</summary>
    public static void PutSegment(
        byte[] image, bool is64, int index, uint type, ulong offset, ulong address, ulong fileSize, ulong memorySize)
    {
        int at = is64 ? 64 + (index * 56) : 52 + (index * 32);
        _ = is64
            ? image.Put32(at, type).Put32(at + 4, 7).Put64(at + 8, offset).Put64(at + 16, address + KernelBase).Put64(at + 24, address)
                .Put64(at + 32, fileSize).Put64(at + 40, memorySize).Put64(at + 48, 16)
            : image.Put32(at, type).Put32(at + 4, (uint)offset).Put32(at + 8, (uint)(address + KernelBase)).Put32(at + 12, (uint)address)
                .Put32(at + 16, (uint)fileSize).Put32(at + 20, (uint)memorySize).Put32(at + 24, 7).Put32(at + 28, 16);
    }
}
