using Strata.Images;
using Strata.Machines.Boards;

namespace Strata;

/// <summary>The ROMs of a machine that firmware starts.</summary>
/// <param name="Rom">The machine's.</param>
/// <param name="VideoRom">The display adapter's; empty for firmware that needs none.</param>
/// <param name="Variables">What the firmware's variables begin with; empty for firmware without.</param>
internal sealed record FirmwareRoms(byte[] Rom, byte[] VideoRom, byte[] Variables)
{
    /// <summary>Those of network cards, by their models; empty for a machine that does not start from the network.</summary>
    public IReadOnlyDictionary<NetworkCardModel, byte[]> NetworkRoms { get; init; } = new Dictionary<NetworkCardModel, byte[]>();

    /// <summary>Reads them; they are fetched first where the host does not have them.</summary>
    /// <returns>Null for a machine without firmware.</returns>
    /// <exception cref="StrataException">They cannot be had.</exception>
    public static async Task<FirmwareRoms?> ReadAsync(MachineSpec spec)
    {
        if (!spec.HasFirmware)
        {
            return null;
        }

        FirmwarePackage package = FirmwarePackage.Of(spec.Firmware ?? FirmwareKind.SeaBios);
        FirmwareFiles files = await FirmwareFiles.EnsureAsync(package, null, progress: null, CancellationToken.None).ConfigureAwait(false);
        try
        {
            return new FirmwareRoms(
                await File.ReadAllBytesAsync(files.Rom).ConfigureAwait(false),
                await ReadAsync(files.VideoRom).ConfigureAwait(false),
                await ReadAsync(files.Variables).ConfigureAwait(false))
            {
                NetworkRoms = spec.StartsFromNetwork
                    ? await NetworkRomFiles.ReadAsync(null, progress: null, CancellationToken.None).ConfigureAwait(false)
                    : new Dictionary<NetworkCardModel, byte[]>(),
            };
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StrataException(
                StrataError.Host, $"The firmware cannot be read: {error.Message} Install the package {package.Name}.", error);
        }
    }

    private static async Task<byte[]> ReadAsync(string? path) =>
        path is null ? [] : await File.ReadAllBytesAsync(path).ConfigureAwait(false);
}
