using Strata.Images;
using Strata.Machines.Boot;

namespace Strata;

/// <summary>
/// Kernel and initial RAM disks of a machine, read when they are needed: a restored machine needs them if its guest resets it, and not
/// before. Safe on any thread.
/// </summary>
internal sealed class BootFiles
{
    /// <summary>Bytes that a file is read by.</summary>
    private const int ReadUnit = 1 << 20;

    private readonly Lazy<GuestFiles> _files;

    private BootFiles(Func<GuestFiles> read) => _files = new Lazy<GuestFiles>(read);

    /// <exception cref="StrataException">A file cannot be read.</exception>
    public GuestFiles Load() => _files.Value;

    /// <summary>Reads the files now.</summary>
    /// <exception cref="StrataException">A file cannot be read.</exception>
    public static async Task<BootFiles> ReadAsync(MachineSpec spec, CancellationToken cancellationToken)
    {
        if (spec.HasFirmware)
        {
            FirmwareFiles firmware = await FirmwareFiles.EnsureAsync(null, progress: null, cancellationToken).ConfigureAwait(false);
            GuestFiles roms = new(null, null, [], (
                await ReadAsync(spec, firmware.Rom, "firmware", cancellationToken).ConfigureAwait(false),
                await ReadAsync(spec, firmware.VideoRom, "firmware", cancellationToken).ConfigureAwait(false)));
            return new BootFiles(() => roms);
        }

        byte[] kernel = await ReadAsync(spec, spec.Kernel!, "kernel", cancellationToken).ConfigureAwait(false);
        byte[]? initrd = await ReadInitrdAsync(spec, cancellationToken).ConfigureAwait(false);
        List<BootModule> modules = [];
        foreach (ModuleFile module in spec.Modules)
        {
            modules.Add(new BootModule(await ReadAsync(spec, module.Path, "module", cancellationToken).ConfigureAwait(false), module.Text));
        }

        GuestFiles files = new(kernel, initrd, modules);
        return new BootFiles(() => files);
    }

    /// <summary>Reads the files when they are needed.</summary>
    public static BootFiles Later(MachineSpec spec) => new(() => ReadAsync(spec, CancellationToken.None).GetAwaiter().GetResult().Load());

    /// <summary>The first initrd and what lies over it; archives are unpacked one after the other, each at a multiple of four.</summary>
    private static async Task<byte[]?> ReadInitrdAsync(MachineSpec spec, CancellationToken cancellationToken)
    {
        List<byte> all = [];
        foreach (string path in spec.Initrd is null ? spec.InitrdOverlays : [spec.Initrd, .. spec.InitrdOverlays])
        {
            byte[] bytes = await ReadAsync(spec, path, "initrd", cancellationToken).ConfigureAwait(false);
            if (spec.InitrdOverlays.Count == 0)
            {
                return bytes;
            }

            all.AddRange(bytes);
            all.AddRange(new byte[-all.Count & 3]);
        }

        return all.Count == 0 ? null : [.. all];
    }

    /// <summary>Reads a file that must fit into the machine's memory: a device or a pipe may go on for ever.</summary>
    private static async Task<byte[]> ReadAsync(MachineSpec spec, string path, string what, CancellationToken cancellationToken)
    {
        try
        {
            FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.Asynchronous);
            await using (file.ConfigureAwait(false))
            {
                long limit = (long)Math.Min(spec.Memory, (ulong)Array.MaxLength);
                using MemoryStream content = new(file.CanSeek ? (int)Math.Clamp(file.Length, 0, limit) : 0);
                byte[] buffer = new byte[ReadUnit];
                int count;
                while ((count = await file.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
                {
                    if (content.Length + count > limit)
                    {
                        throw new StrataException(
                            StrataError.BadInput, $"The {what} {path} does not fit into {spec.Memory >> 20} MiB of memory: give the machine more, or check the path.");
                    }

                    content.Write(buffer, 0, count);
                }

                return content.Capacity == content.Length ? content.GetBuffer() : content.ToArray();
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new StrataException(StrataError.BadInput, $"The {what} {path} cannot be read: {error.Message} Check the path.", error);
        }
    }
}
