namespace Strata.Machines.Firmware;

/// <summary>A string of the SMBIOS tables that can be chosen.</summary>
/// <param name="Name">What people call it: lower case, words joined by '-'.</param>
/// <param name="Type">Of the structure that has it.</param>
/// <param name="Offset">Of the string's number in the structure, in bytes.</param>
/// <param name="Default">What stands there otherwise; null for no string.</param>
/// <param name="Description">For help texts.</param>
public sealed record SmbiosKey(string Name, byte Type, int Offset, string? Default, string Description)
{
    /// <summary>The one key that is no string: 16 bytes of the structure System Information.</summary>
    public const string Uuid = "uuid";

    private const byte Bios = 0;
    private const byte System = 1;
    private const byte Board = 2;
    private const byte Chassis = 3;
    private const byte Processor = 4;
    private const byte MemoryDevice = 17;

    /// <summary>All keys but <see cref="Uuid"/>. DMTF DSP0134 2.8, chapter 7 "Structure definitions".</summary>
    public static IReadOnlyList<SmbiosKey> All { get; } =
    [
        new("bios-vendor", Bios, 0x04, "Strata", "Maker of the firmware."),
        new("bios-version", Bios, 0x05, "1.0", "Version of the firmware."),
        new("bios-date", Bios, 0x08, "01/01/2024", "Date of the firmware, MM/DD/YYYY."),
        new("manufacturer", System, 0x04, "Strata", "Maker of the machine."),
        new("product", System, 0x05, "Strata PC", "Product's name."),
        new("version", System, 0x06, null, "Product's version."),
        new("serial", System, 0x07, null, "Serial number, in which cloud-init looks for ds=nocloud."),
        new("sku", System, 0x19, null, "Stock-keeping unit."),
        new("family", System, 0x1A, null, "Product's family."),
        new("board-manufacturer", Board, 0x04, "Strata", "Maker of the mainboard."),
        new("board-product", Board, 0x05, "pc", "Mainboard's name."),
        new("board-version", Board, 0x06, null, "Mainboard's version."),
        new("board-serial", Board, 0x07, null, "Mainboard's serial number."),
        new("board-asset", Board, 0x08, null, "Mainboard's asset tag."),
        new("chassis-manufacturer", Chassis, 0x04, "Strata", "Maker of the case."),
        new("chassis-version", Chassis, 0x06, null, "Case's version."),
        new("chassis-serial", Chassis, 0x07, null, "Case's serial number."),
        new("chassis-asset", Chassis, 0x08, null, "Case's asset tag."),
        new("chassis-sku", Chassis, 0x15, null, "Case's stock-keeping unit."),
        new("processor-manufacturer", Processor, 0x07, "Strata", "Maker of the processors."),
        new("processor-version", Processor, 0x10, null, "Version of the processors."),
        new("memory-manufacturer", MemoryDevice, 0x17, "Strata", "Maker of the memory."),
    ];
}
