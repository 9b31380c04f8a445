namespace Strata.Machines.Boards;

/// <summary>Guest-physical addresses, ports and interrupt pins of the pc board.</summary>
/// <remarks>
/// <code>
/// 0_0000_0000  RAM
/// 0_0009_FC00  extended BIOS data area (reserved)
/// 0_000A_0000  VGA window and option ROMs (reserved)
/// 0_000E_0000  ACPI tables (reserved, as all up to 1 MiB)
/// 0_000F_0000  MP tables
/// 0_000F_4000  SMBIOS tables, where there are some
/// 0_000F_E000  what stands for a BIOS's code, and the GDT that loaders leave
/// 0_0010_0000  RAM, up to 3 GiB
/// 0_C000_0000  PCI memory window
/// 0_FEC0_0000  I/O APIC
/// 0_FED0_0000  HPET, where there is one
/// 0_FEE0_0000  local APICs
/// 0_FEF0_0000  generation ID, and behind it the identity register
/// 1_0000_0000  RAM above 3 GiB
/// 80_0000_0000 64-bit PCI window
/// </code>
/// </remarks>
internal static class PcMemoryMap
{
    public const ulong LowMemoryLimit = 0xC000_0000;
    public const ulong HighMemoryStart = 0x1_0000_0000;
    public const ulong ExtendedBiosStart = 0x0009_FC00;
    public const ulong VgaStart = 0x000A_0000;
    public const ulong AcpiStart = 0x000E_0000;
    public const ulong MpTablesStart = 0x000F_0000;
    public const ulong SmbiosStart = 0x000F_4000;
    public const ulong BiosProgramStart = 0x000F_E000;
    public const ulong BootGdtStart = 0x000F_F000;
    public const ulong OneMegabyte = 0x0010_0000;
    public const uint PciWindowStart = 0xC000_0000;
    public const uint PciWindowEnd = 0xFEBF_FFFF;

    /// <summary>Where firmware lets PCI's memory begin, unless there is RAM.</summary>
    public const ulong FirmwarePciWindowStart = 0x8000_0000;
    public const ulong IoApicStart = 0xFEC0_0000;
    public const ulong HpetStart = 0xFED0_0000;
    public const ulong LocalApicStart = 0xFEE0_0000;
    public const ulong GenerationIdStart = 0xFEF0_0000;
    public const ulong IdentityStart = 0xFEF0_1000;
    public const ulong TestMemoryStart = 0xFF00_0000;
    public const ulong PciWideWindowStart = 0x80_0000_0000;
    public const ulong PciWideWindowEnd = 0xBF_FFFF_FFFF;

    public const ushort AcpiPowerPort = 0x600;
    public const ushort AcpiEventsPort = 0x620;
    public const ushort PciConfigPort = 0xCF8;
    public const ushort ResetPort = 0xCF9;
    public const ushort DebugExitPort = 0xF4;
    public const ushort CrtcPort = 0x3D4;
    public const ushort SerialPort = 0x3F8;
    public const ushort FirmwarePort = 0x510;
    public const ushort FirmwareLogPort = 0x402;
    public const ushort ControlPortA = 0x92;
    public const ushort FirstDmaPort = 0x00;
    public const ushort DmaPagePort = 0x80;
    public const ushort SecondDmaPort = 0xC0;
    public const ushort FloppyPort = 0x3F0;
    public const ushort FloppyInputPort = 0x3F7;
    public const ushort TestScratchPort = 0xE0;
    public const ushort TestLinePort = 0x2000;

    public const int SerialPin = 4;
    public const int SciPin = 9;
    public const int RtcPin = 8;
    public const int KeyboardPin = 1;
    public const int MousePin = 12;
    public const int FloppyPin = 6;
    public const int FirstIdePin = 14;
    public const int SecondIdePin = 15;

    /// <summary>General-purpose event: the generation ID has changed.</summary>
    public const int GenerationEvent = 0;

    /// <summary>I/O APIC pins of the four PCI interrupt links A..D.</summary>
    public const int PciPin = 16;
    public const int IoApicPins = 24;

    /// <summary>I/O APIC pins that nothing else has, and that HPET timers may be routed to.</summary>
    public const int HpetPin = 20, HpetPins = 4;

    /// <summary>An APIC ID that no processor has, as far as the register's four bits hold one.</summary>
    public static byte IoApicId(int processors) => processors <= 0xF ? (byte)processors : (byte)0;

    /// <summary>Slots of PCI bus 0.</summary>
    public const int PciSlots = 32;
}
