using System.Text;
using System.Text.RegularExpressions;

namespace Strata.Images;

/// <summary>
/// What a system is told when it starts, by words on the kernel's command line that the image's initial RAM disk reads:
/// strata.hostname=NAME, strata.timezone=AREA/CITY and strata.ssh-key=BASE64 of an authorized_keys file.
/// </summary>
public sealed partial record GuestSetup
{
    private const int LargestHostName = 63;

    /// <summary>Bytes of keys that leave room for the rest of a 2048-byte command line.</summary>
    private const int LargestKeys = 1152;

    /// <summary>Nothing but the image's defaults.</summary>
    public static GuestSetup Default { get; } = new();

    /// <summary>Letters, digits and hyphens, 1 to 63; null for the image's name.</summary>
    public string? HostName { get; init; }

    /// <summary>Name in the tz database, such as Europe/Rome; null for UTC.</summary>
    public string? TimeZone { get; init; }

    /// <summary>Lines of authorized_keys for root; null for none.</summary>
    public string? SshKeys { get; init; }

    /// <summary>Words for the command line, with a space before each.</summary>
    /// <exception cref="StrataException">A value cannot be what it is meant to be.</exception>
    public string ToCommandLine()
    {
        StringBuilder words = new();
        if (HostName is { } host)
        {
            Require(
                host.Length <= LargestHostName && HostNamePattern().IsMatch(host),
                $"\"{host}\" is no host name; use letters, digits and hyphens, at most {LargestHostName}.");
            words.Append(" strata.hostname=").Append(host);
        }

        if (TimeZone is { } zone)
        {
            Require(TimeZonePattern().IsMatch(zone), $"\"{zone}\" is no time zone; write one such as UTC or Europe/Rome.");
            words.Append(" strata.timezone=").Append(zone);
        }

        if (SshKeys is { } keys)
        {
            words.Append(" strata.ssh-key=").Append(EncodeKeys(keys));
        }

        return words.ToString();
    }

    private static string EncodeKeys(string keys)
    {
        string[] lines = [.. keys.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#')];
        Require(lines.Length > 0, "The SSH key file holds no key; give a public key such as ~/.ssh/id_ed25519.pub.");
        string? privateKey = Array.Find(lines, line => line.StartsWith("-----BEGIN", StringComparison.Ordinal));
        Require(
            privateKey is null,
            "The SSH key file holds a private key, which must stay on this host; give the public one, which ends in .pub.");
        string? odd = Array.Find(lines, line => line.Any(char.IsControl) || !KeyPattern().IsMatch(line));
        Require(odd is null, $"The SSH key file has a line that is no public key: \"{odd?[..Math.Min(odd.Length, 40)]}\".");
        byte[] bytes = Encoding.UTF8.GetBytes(string.Join('\n', lines) + "\n");
        Require(
            bytes.Length <= LargestKeys,
            $"The SSH keys have {bytes.Length:N0} bytes and the kernel's command line holds {LargestKeys:N0}; give fewer keys, or " +
            $"Ed25519 ones.");
        return Convert.ToBase64String(bytes);
    }

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new StrataException(StrataError.BadInput, message);
        }
    }

    [GeneratedRegex(@"\A[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\z")]
    private static partial Regex HostNamePattern();

    [GeneratedRegex(@"\A[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}\z")]
    private static partial Regex TimeZonePattern();

    [GeneratedRegex(@"(\A|\s)(ssh-|ecdsa-|sk-)[A-Za-z0-9@.-]+ [A-Za-z0-9+/]{40,}={0,2}(\s|\z)")]
    private static partial Regex KeyPattern();
}
