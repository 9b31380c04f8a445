using System.Text.Json;
using System.Text.Json.Serialization;

namespace Strata.Engines;

/// <summary>An engine in JSON is its name.</summary>
internal sealed class EngineJsonConverter : JsonConverter<Engine>
{
    /// <summary>A name that another version of Strata may know is not an error here.</summary>
    private const int LongestName = 32;

    public override Engine Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && reader.GetString() is { Length: > 0 and <= LongestName } name
            ? new Engine(name)
            : throw new JsonException("An engine is a name, such as \"translator\".");

    public override void Write(Utf8JsonWriter writer, Engine value, JsonSerializerOptions options) => writer.WriteStringValue(value.Name);
}
