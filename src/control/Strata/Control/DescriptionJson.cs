using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Strata.Networking.Nat;
using Strata.Snapshots;

namespace Strata.Control;

/// <summary>What the library describes, as JSON for programs: indented, camel case, enumerations by name. Needs no reflection.</summary>
public static class DescriptionJson
{
    /// <param name="own">Knows the caller's own types, which are written in the same way.</param>
    /// <param name="leaveOutNulls">Members without a value are left out instead of being null.</param>
    public static JsonSerializerOptions CreateOptions(IJsonTypeInfoResolver own, bool leaveOutNulls = false) =>
        new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = leaveOutNulls ? JsonIgnoreCondition.WhenWritingNull : JsonIgnoreCondition.Never,
        Converters = { new JsonStringEnumConverter<TransportProtocol>(JsonNamingPolicy.CamelCase) },
        TypeInfoResolver = JsonTypeInfoResolver.Combine(DescriptionJsonContext.Default, own),
    };
}

[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(IReadOnlyList<MachineDescription>))]
[JsonSerializable(typeof(MachineInspection))]
[JsonSerializable(typeof(IReadOnlyList<RemovableDrive>))]
[JsonSerializable(typeof(EngineReport))]
[JsonSerializable(typeof(EngineSwitch))]
[JsonSerializable(typeof(IReadOnlyList<SwitchDescription>))]
[JsonSerializable(typeof(SnapshotDetails))]
[JsonSerializable(typeof(DiskDescription))]
[JsonSerializable(typeof(DiskCheck))]
internal sealed partial class DescriptionJsonContext : JsonSerializerContext;
