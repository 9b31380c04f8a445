using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace Strata.Specs;

/// <summary>What a value of a machine specification can be: how it is read, written and described in the schema.</summary>
internal abstract class SpecKind<T>
{
    /// <exception cref="SpecException">The value is not of this kind.</exception>
    public abstract T Read(SpecNode node);

    public abstract void Write(Utf8JsonWriter writer, T value);

    /// <summary>Writes keywords of JSON Schema into the object that describes the value.</summary>
    public abstract void Describe(Utf8JsonWriter schema);
}

/// <summary>A text, or what a text stands for.</summary>
/// <param name="form">What can be written, as the end of "write …".</param>
/// <param name="parse">False for a text that stands for nothing.</param>
/// <param name="longest">Characters; of most, SSH keys and command lines are the longest.</param>
internal sealed class TextKind<T>(string form, SpecParser<T> parse, Func<T, string> print, int longest = 16 << 10) : SpecKind<T>
{
    public override T Read(SpecNode node) =>
        node.TryGetText() is { } text && text.Length <= longest
        && !text.Contains('\0', StringComparison.Ordinal) && parse(text, out T? value)
            ? value!
            : throw node.Refuse(form);

    public override void Write(Utf8JsonWriter writer, T value) => writer.WriteStringValue(print(value));

    public override void Describe(Utf8JsonWriter schema)
    {
        schema.WriteString("type", "string");
        schema.WriteNumber("maxLength", longest);
    }
}

/// <returns>False for a text that stands for nothing.</returns>
internal delegate bool SpecParser<T>(string text, out T? value);

internal sealed class FlagKind : SpecKind<bool>
{
    public override bool Read(SpecNode node) => node.Element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw node.Refuse("true or false"),
    };

    public override void Write(Utf8JsonWriter writer, bool value) => writer.WriteBooleanValue(value);

    public override void Describe(Utf8JsonWriter schema) => schema.WriteString("type", "boolean");
}

internal sealed class NumberKind<T>(T least, T most) : SpecKind<T>
    where T : struct, INumber<T>
{
    private readonly bool _isWhole = typeof(T) != typeof(double);

    public override T Read(SpecNode node)
    {
        const NumberStyles anyJson = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        NumberStyles styles = _isWhole ? NumberStyles.AllowLeadingSign : anyJson;
        return node.Element.ValueKind == JsonValueKind.Number
            && T.TryParse(node.Element.GetRawText(), styles, CultureInfo.InvariantCulture, out T value)
            && value >= least && value <= most
                ? value
                : throw node.Refuse(
                    string.Create(CultureInfo.InvariantCulture, $"a {(_isWhole ? "whole " : "")}number from {least} to {most}"));
    }

    public override void Write(Utf8JsonWriter writer, T value) => writer.WriteRawValue(value.ToString(null, CultureInfo.InvariantCulture));

    public override void Describe(Utf8JsonWriter schema)
    {
        schema.WriteString("type", _isWhole ? "integer" : "number");
        schema.WritePropertyName("minimum");
        Write(schema, least);
        schema.WritePropertyName("maximum");
        Write(schema, most);
    }
}

/// <summary>Bytes: a number, or a text such as "512M".</summary>
/// <param name="unit">What the size must be a multiple of.</param>
internal sealed class SizeKind(long least, long most, long unit = 1) : SpecKind<long>
{
    public override long Read(SpecNode node)
    {
        bool isSize = node.Element.ValueKind == JsonValueKind.Number
            ? node.Element.TryGetInt64(out long bytes)
            : ByteSize.TryParse(node.TryGetText(), out bytes);
        return isSize && bytes >= least && bytes <= most && bytes % unit == 0
            ? bytes
            : throw node.Refuse(
                $"a size in bytes, or with K, M, G or T as in \"{ByteSize.Print(least)}\", "
                + $"from {ByteSize.Print(least)} to {ByteSize.Print(most)}"
                + (unit > 1 ? $", a multiple of {ByteSize.Print(unit)}" : string.Empty));
    }

    public override void Write(Utf8JsonWriter writer, long value) => writer.WriteStringValue(ByteSize.Print(value));

    public override void Describe(Utf8JsonWriter schema)
    {
        schema.WriteStartArray("type");
        schema.WriteStringValue("integer");
        schema.WriteStringValue("string");
        schema.WriteEndArray();
        schema.WriteString("pattern", "^[0-9]+[KMGTkmgt]?$");
        schema.WriteNumber("minimum", least);
        schema.WriteNumber("maximum", most);
        if (unit > 1)
        {
            schema.WriteNumber("multipleOf", unit);
        }
    }
}

/// <summary>One of some words.</summary>
internal sealed class ChoiceKind<T>(params (T Value, string Word)[] choices) : SpecKind<T>
{
    private static readonly EqualityComparer<T> Comparer = EqualityComparer<T>.Default;

    public override T Read(SpecNode node)
    {
        string? text = node.TryGetText();
        int index = Array.FindIndex(choices, choice => choice.Word == text);
        return index >= 0 ? choices[index].Value : throw node.Refuse(string.Join(", ", choices.Select(choice => $"\"{choice.Word}\"")));
    }

    public override void Write(Utf8JsonWriter writer, T value) =>
        writer.WriteStringValue(choices.First(choice => Comparer.Equals(choice.Value, value)).Word);

    public override void Describe(Utf8JsonWriter schema)
    {
        schema.WriteStartArray("enum");
        foreach ((_, string word) in choices)
        {
            schema.WriteStringValue(word);
        }

        schema.WriteEndArray();
    }
}

/// <param name="most">Items.</param>
internal sealed class ListKind<T>(SpecKind<T> item, int most) : SpecKind<IReadOnlyList<T>>
{
    public override IReadOnlyList<T> Read(SpecNode node)
    {
        if (node.Element.ValueKind != JsonValueKind.Array || node.Element.GetArrayLength() > most)
        {
            throw node.Refuse($"a list of at most {most}, in square brackets");
        }

        List<T> items = [];
        foreach (JsonElement element in node.Element.EnumerateArray())
        {
            items.Add(item.Read(node.Item(items.Count, element)));
        }

        return items;
    }

    public override void Write(Utf8JsonWriter writer, IReadOnlyList<T> value)
    {
        writer.WriteStartArray();
        foreach (T one in value)
        {
            item.Write(writer, one);
        }

        writer.WriteEndArray();
    }

    public override void Describe(Utf8JsonWriter schema)
    {
        schema.WriteString("type", "array");
        schema.WriteNumber("maxItems", most);
        schema.WriteStartObject("items");
        item.Describe(schema);
        schema.WriteEndObject();
    }
}

/// <summary>A value, or null for none.</summary>
/// <param name="wrap">From a value to one that can be null, which for a value type is another type.</param>
internal sealed class OptionalKind<T, TOptional>(SpecKind<T> kind, Func<T, TOptional> wrap, Func<TOptional, T> unwrap)
    : SpecKind<TOptional?>
{
    public override TOptional? Read(SpecNode node) => node.Element.ValueKind == JsonValueKind.Null ? default : wrap(kind.Read(node));

    public override void Write(Utf8JsonWriter writer, TOptional? value)
    {
        if (value is null)
        {
            writer.WriteNullValue();
        }
        else
        {
            kind.Write(writer, unwrap(value));
        }
    }

    public override void Describe(Utf8JsonWriter schema)
    {
        schema.WriteStartArray("anyOf");
        schema.WriteStartObject();
        kind.Describe(schema);
        schema.WriteEndObject();
        schema.WriteStartObject();
        schema.WriteString("type", "null");
        schema.WriteEndObject();
        schema.WriteEndArray();
    }
}
