using Strata.Machines.Firmware;

namespace Strata;

/// <summary>
/// What a guest reads about its machine in the SMBIOS tables (dmidecode, /sys/class/dmi/id): names, serial numbers, and where cloud-init
/// finds its data.
/// </summary>
public sealed record SmbiosSpec
{
    /// <summary>How one is written.</summary>
    public const string Syntax = "KEY=VALUE";

    private const string OemString = "oem";
    private const int LongestText = 4096;

    /// <summary>Strings by their keys, such as "serial" and "board-serial"; what is not there has a value of its own.</summary>
    public IReadOnlyDictionary<string, string> Values { get; init; } = new Dictionary<string, string>();

    /// <summary>Free strings, of which guests take credentials and the like.</summary>
    public IReadOnlyList<string> OemStrings { get; init; } = [];

    /// <summary>The machine's UUID; null for none.</summary>
    public Guid? Uuid { get; init; }

    /// <summary>The keys that <see cref="With(string)"/> understands, for help texts.</summary>
    public static string Keys => string.Join(", ", [.. SmbiosKey.All.Select(key => key.Name), SmbiosKey.Uuid, OemString]);

    internal bool IsEmpty => Values.Count == 0 && OemStrings.Count == 0 && Uuid is null;

    /// <summary>The same with one thing more, as <see cref="Syntax"/> says it. "oem" may come several times.</summary>
    /// <exception cref="StrataException">The key is unknown, or its value impossible.</exception>
    public SmbiosSpec With(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int at = text.IndexOf('=', StringComparison.Ordinal);
        (string key, string value) = at < 0 ? (text, string.Empty) : (text[..at], text[(at + 1)..]);
        if (at < 0)
        {
            throw new StrataException(
                StrataError.BadInput, $"\"{text}\" says nothing about the machine; write {Syntax}, such as serial=ds=nocloud.");
        }

        return key switch
        {
            SmbiosKey.Uuid => this with { Uuid = ParseUuid(value) },
            OemString => this with { OemStrings = [.. OemStrings, Check(value)] },
            _ => With(key, value),
        };
    }

    /// <summary>The same with another string; null for the usual one.</summary>
    internal SmbiosSpec With(string key, string? value)
    {
        if (!SmbiosKey.All.Any(known => known.Name == key))
        {
            throw new StrataException(StrataError.BadInput, $"The SMBIOS tables have no \"{key}\"; use one of {Keys}.");
        }

        Dictionary<string, string> values = new(Values);
        values.Remove(key);
        if (value is not null)
        {
            values.Add(key, Check(value));
        }

        return this with { Values = values };
    }

    internal static Guid ParseUuid(string text) => Guid.TryParseExact(text, "D", out Guid uuid)
        ? uuid
        : throw new StrataException(
            StrataError.BadInput, $"\"{text}\" is no UUID; write one such as 3f1c2d7e-9a4b-4c21-8a57-0d5e6b7c8d90.");

    internal SmbiosOptions ToOptions() => new() { Values = Values, OemStrings = OemStrings, Uuid = Uuid ?? Guid.Empty };

    private static string Check(string value) => value.Length <= LongestText && !value.Contains('\0', StringComparison.Ordinal)
        ? value
        : throw new StrataException(
            StrataError.BadInput,
            $"A string of the SMBIOS tables has up to {LongestText} characters, and none of them is a zero; change it.");
}
