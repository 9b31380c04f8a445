namespace Strata.Machines.Firmware;

/// <summary>What the SMBIOS tables of a machine say about it.</summary>
public sealed record SmbiosOptions
{
    /// <summary>Strings by <see cref="SmbiosKey.Name"/>; an empty one leaves the string out.</summary>
    public IReadOnlyDictionary<string, string> Values { get; init; } = new Dictionary<string, string>();

    /// <summary>Strings of the structure OEM Strings, of which guests take credentials and the like.</summary>
    public IReadOnlyList<string> OemStrings { get; init; } = [];

    /// <summary>The system's UUID.</summary>
    public Guid Uuid { get; init; }
}
