namespace Strata.Images;

/// <summary>Firmware as Debian packs it.</summary>
/// <param name="Name">Of the package.</param>
/// <param name="Folder">Where the package puts its files.</param>
/// <param name="Rom">The machine's ROM.</param>
/// <param name="VideoRom">The display adapter's program; null for firmware that needs none.</param>
/// <param name="Variables">What the firmware's variables begin with; null for firmware that has none.</param>
internal sealed record FirmwarePackage(string Name, string Folder, string Rom, string? VideoRom = null, string? Variables = null)
{
    private static readonly FirmwarePackage SeaBios = new("seabios", "/usr/share/seabios", "bios-256k.bin", VideoRom: "vgabios-stdvga.bin");

    private static readonly FirmwarePackage Ovmf = new("ovmf", "/usr/share/OVMF", "OVMF_CODE_4M.fd", Variables: "OVMF_VARS_4M.fd");

    /// <summary>Names of all files.</summary>
    public IEnumerable<string> Files => new[] { Rom, VideoRom, Variables }.OfType<string>();

    /// <param name="kind">Not <see cref="FirmwareKind.None"/>.</param>
    public static FirmwarePackage Of(FirmwareKind kind) => kind == FirmwareKind.Ovmf ? Ovmf : SeaBios;
}
