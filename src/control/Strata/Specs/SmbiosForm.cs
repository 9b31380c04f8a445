using Strata.Machines.Firmware;
using static Strata.Specs.SpecKinds;

namespace Strata.Specs;

/// <summary>The form of SMBIOS strings in a machine specification: a field a key.</summary>
internal static class SmbiosForm
{
    private const int MostOemStrings = 64;

    public static SpecRecord<SmbiosSpec> Smbios { get; } = Create();

    private static SpecRecord<SmbiosSpec> Create()
    {
        SpecRecord<SmbiosSpec> record = new("what SMBIOS tables say", () => new SmbiosSpec());
        foreach (SmbiosKey key in SmbiosKey.All)
        {
            record.Add(
                FieldName(key.Name), OptionalText, s => s.Values.GetValueOrDefault(key.Name), (s, v) => s.With(key.Name, v),
                key.Description);
        }

        record.Add(
            "uuid", OptionalText,
            s => s.Uuid?.ToString("D"), (s, v) => s with { Uuid = v is null ? null : SmbiosSpec.ParseUuid(v) },
            "The machine's UUID.");
        record.Add(
            "oemStrings", new ListKind<string>(Text, MostOemStrings),
            s => s.OemStrings, (s, v) => s with { OemStrings = v },
            "Free strings, of which guests take credentials and the like.");
        return record;
    }

    /// <summary>board-serial is boardSerial.</summary>
    private static string FieldName(string key)
    {
        string[] words = key.Split('-');
        return words[0] + string.Concat(words.Skip(1).Select(word => char.ToUpperInvariant(word[0]) + word[1..]));
    }
}
