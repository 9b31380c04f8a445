namespace Strata.Machines.Tests.Boot;

/// <summary>Synthetic bzImages. Linux kernel documentation, "The Linux/x86 Boot Protocol", "The Real-Mode Kernel Header".</summary>
internal static class BzImages
{
    public const int SetupSectors = 4;
    public const int PayloadOffset = (SetupSectors + 1) * 512;
    public const int PayloadSize = 8192;
    public const int HeaderStart = 0x1F1;
    public const int HeaderEnd = 0x26C;
    public const uint PreferredAddress = 0x400000;
    public const uint InitSize = 0x200000;

    public static byte[] Payload => LittleEndian.Pattern(PayloadSize, 7);

    public static byte[] Create(ushort version = 0x20F, bool is64 = true) => new byte[PayloadOffset + PayloadSize]
        .PutBytes(HeaderStart, [SetupSectors])
        .Put32(0x1F4, PayloadSize / 16) // syssize
        .Put16(0x1FA, 0xFFFF) // vid_mode: normal
        .Put16(0x1FE, 0xAA55) // boot_flag
        .PutBytes(0x200, [0xEB, HeaderEnd - 0x202]) // jump over the header
        .PutBytes(0x202, "HdrS"u8)
        .Put16(0x206, version)
        .PutBytes(0x211, [1]) // loadflags: LOADED_HIGH
        .Put32(0x22C, 0x7FFFFFFF) // initrd_addr_max
        .Put32(0x230, 0x200000) // kernel_alignment
        .PutBytes(0x234, [1]) // relocatable_kernel
        .Put16(0x236, (ushort)(is64 ? 1 : 0)) // xloadflags: XLF_KERNEL_64
        .Put32(0x238, 255) // cmdline_size
        .Put64(0x258, PreferredAddress) // pref_address
        .Put32(0x260, InitSize) // init_size
        .PutBytes(PayloadOffset, Payload);
}
