using System.Security.Cryptography;
using System.Text;
using Strata.Networking.Frames;
using Strata.Networking.NamedSwitches;

namespace Strata.Control;

/// <summary>
/// The switches that running machines of a user share by name: they are in the folder of the <see cref="MachineRegistry"/>, a socket
/// each, named NAME.switch. Members are safe on any thread and in several processes.
/// </summary>
/// <param name="folder">Where, or null for the user's own: $XDG_RUNTIME_DIR/strata, or a folder below the temporary one.</param>
public sealed class SwitchRegistry(string? folder = null)
{
    public string Folder { get; } = Path.GetFullPath(folder ?? RuntimeFolder.Default());

    /// <summary>All switches that machines are plugged into, by name.</summary>
    /// <exception cref="StrataException">The folder cannot be used.</exception>
    public async Task<IReadOnlyList<SwitchDescription>> ListAsync(CancellationToken cancellationToken = default)
    {
        if (!Directory.Exists(Folder))
        {
            return [];
        }

        RuntimeFolder.Check(Folder);
        string[] names = [.. Directory.EnumerateFiles(Folder, "*" + NamedSwitchPlace.Extension)
            .Select(path => Path.GetFileNameWithoutExtension(path)!).Where(NamedSwitchPlace.IsValidName).Order(StringComparer.Ordinal)];
        SwitchDescription?[] all = await Task.WhenAll(names.Select(name => DescribeAsync(name, cancellationToken))).ConfigureAwait(false);
        return [.. all.OfType<SwitchDescription>()];
    }

    /// <summary>A switch by its name.</summary>
    /// <exception cref="StrataException">No machine is plugged into such a switch.</exception>
    public async Task<SwitchDescription> FindAsync(string name, CancellationToken cancellationToken = default)
    {
        PlaceOf(name);
        if (Directory.Exists(Folder))
        {
            RuntimeFolder.Check(Folder);
            if (await DescribeAsync(name, cancellationToken).ConfigureAwait(false) is { } description)
            {
                return description;
            }
        }

        throw new StrataException(
            StrataError.BadInput,
            $"No machine is plugged into a switch with the name {name}; `strata switch list` shows those that are in use.");
    }

    /// <summary>
    /// The address of a machine's card: the same for the same names, so that a machine that comes again gets its IP address again;
    /// locally administered. A machine without a name gets one at random.
    /// </summary>
    internal static MacAddress CreateMac(string name, string? machine)
    {
        const byte locallyAdministered = 2;
        const byte group = 1;
        byte[] bytes = machine is null
            ? RandomNumberGenerator.GetBytes(MacAddress.Size)
            : SHA256.HashData(Encoding.UTF8.GetBytes($"{name}/{machine}"))[..MacAddress.Size];
        bytes[0] = (byte)((bytes[0] & ~group) | locallyAdministered);
        return MacAddress.Read(bytes);
    }

    /// <exception cref="StrataException">The text cannot name a switch.</exception>
    internal static void CheckName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!NamedSwitchPlace.IsValidName(name))
        {
            throw new StrataException(
                StrataError.BadInput,
                $"\"{Printable.Text(name)}\" cannot name a switch: use 1 to {NamedSwitchPlace.LongestName} letters, digits, dots, dashes " +
                $"or underscores, a letter or digit first.");
        }
    }

    /// <exception cref="StrataException">The text cannot name a switch.</exception>
    internal NamedSwitchPlace PlaceOf(string name)
    {
        CheckName(name);
        return new NamedSwitchPlace(Folder, name);
    }

    /// <exception cref="StrataException">The folder cannot be used.</exception>
    /// <exception cref="IOException">The switch cannot be had; the message says why.</exception>
    internal NamedSwitchPort Join(string name, string? machineName, MacAddress mac, NamedSwitchOptions? options)
    {
        RuntimeFolder.Make(Folder);
        return NamedSwitchPort.Join(PlaceOf(name), new NamedSwitchStation(machineName ?? $"process-{Environment.ProcessId}", mac), options);
    }

    /// <summary>On a thread of its own: a host that does not answer must not keep a thread of the pool from the others.</summary>
    private async Task<SwitchDescription?> DescribeAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            NamedSwitchDescription? description = await Task.Factory.StartNew(
                () => NamedSwitchClient.Describe(PlaceOf(name), cancellationToken), cancellationToken, TaskCreationOptions.LongRunning,
                TaskScheduler.Default).ConfigureAwait(false);
            return description is null ? null : SwitchDescription.Of(description);
        }
        catch (IOException error)
        {
            throw new StrataException(StrataError.Host, error.Message, error);
        }
    }
}
