using System.Collections;
using System.Text.Json;

namespace Strata.Specs;

/// <summary>
/// A record of a machine specification: one row a field, which says how the field is read, written and described. A field that is left out
/// keeps its default. Some records can be written as a text as well, in the form of the command's options.
/// </summary>
/// <param name="what">For messages: "a disk".</param>
/// <param name="create">The record with defaults; required fields have any value.</param>
/// <param name="parse">Understands the text form; null if there is none. Its <see cref="StrataException"/>s are for the user.</param>
/// <param name="syntax">The text form.</param>
internal sealed class SpecRecord<T>(string what, Func<T> create, Func<string, T>? parse = null, string? syntax = null)
    : SpecKind<T>, IEnumerable
    where T : class
{
    private readonly List<SpecField<T>> _fields = [];

    /// <summary>Exactly one of these fields must be there; empty for no such rule.</summary>
    public IReadOnlyList<string> Alternatives { get; init; } = [];

    /// <summary>Adds a field.</summary>
    /// <param name="set">May refuse a value with a <see cref="StrataException"/>.</param>
    /// <param name="meaning">For the schema: a short sentence.</param>
    public void Add<TField>(
        string name, SpecKind<TField> kind, Func<T, TField> get, Func<T, TField, T> set, string meaning, bool isRequired = false) =>
        _fields.Add(new SpecField<T, TField>(name, kind, get, set, meaning, isRequired));

    IEnumerator IEnumerable.GetEnumerator() => _fields.GetEnumerator();

    public override T Read(SpecNode node)
    {
        if (parse is not null && node.TryGetText() is { } text)
        {
            return Understand(node, () => parse(text));
        }

        return node.Element.ValueKind == JsonValueKind.Object
            ? ReadFields(node, ignored: [])
            : throw node.Refuse($"{what} as an object in braces" + (syntax is null ? string.Empty : $", or as text: {syntax}"));
    }

    /// <param name="ignored">Fields that are somebody else's.</param>
    public T ReadFields(SpecNode node, ReadOnlySpan<string> ignored)
    {
        Dictionary<string, SpecNode> found = [];
        foreach (JsonProperty property in node.Element.EnumerateObject())
        {
            string name = NameOf(property, node);
            SpecField<T>? field = _fields.Find(candidate => candidate.Name == name);
            if (field is null && !ignored.Contains(name))
            {
                throw node.Field(Control.Printable.Text(name), property.Value)
                    .Fail($"{what} has no such field; remove it, or write one of {string.Join(", ", _fields.Select(one => one.Name))}.");
            }

            if (!found.TryAdd(name, node.Field(name, property.Value)))
            {
                throw node.Field(name, property.Value).Fail("the field is there twice; remove one.");
            }
        }

        CheckAlternatives(node, found);
        T record = create();
        foreach (SpecField<T> field in _fields)
        {
            if (found.TryGetValue(field.Name, out SpecNode value))
            {
                record = Understand(value, () => field.Read(record, value));
            }
            else if (field.IsRequired)
            {
                throw node.Field(field.Name, default).Fail($"the field is missing, and {what} needs it; add it.");
            }
        }

        return record;
    }

    public override void Write(Utf8JsonWriter writer, T value)
    {
        writer.WriteStartObject();
        WriteFields(writer, value);
        writer.WriteEndObject();
    }

    /// <summary>
    /// Every field but those that are null by default and in the record. Defaults of later versions change nothing that was written.
    /// </summary>
    public void WriteFields(Utf8JsonWriter writer, T value)
    {
        T defaults = create();
        foreach (SpecField<T> field in _fields)
        {
            field.Write(writer, value, Alternatives.Contains(field.Name) ? null : defaults);
        }
    }

    public override void Describe(Utf8JsonWriter schema)
    {
        if (parse is null)
        {
            DescribeObject(schema);
            return;
        }

        schema.WriteStartArray("anyOf");
        schema.WriteStartObject();
        schema.WriteString("type", "string");
        schema.WriteString("description", $"{syntax}");
        schema.WriteEndObject();
        schema.WriteStartObject();
        DescribeObject(schema);
        schema.WriteEndObject();
        schema.WriteEndArray();
    }

    /// <param name="more">Writes properties of the object that are no fields of the record.</param>
    /// <param name="alsoRequired">Their names, as far as they are required.</param>
    public void DescribeObject(Utf8JsonWriter schema, Action<Utf8JsonWriter>? more = null, params ReadOnlySpan<string> alsoRequired)
    {
        schema.WriteString("type", "object");
        schema.WriteBoolean("additionalProperties", false);
        WriteNames(schema, "required", [.. alsoRequired, .. _fields.Where(field => field.IsRequired).Select(field => field.Name)]);
        if (Alternatives.Count > 0)
        {
            schema.WriteStartArray("oneOf");
            foreach (string name in Alternatives)
            {
                schema.WriteStartObject();
                WriteNames(schema, "required", [name]);
                schema.WriteEndObject();
            }

            schema.WriteEndArray();
        }

        schema.WriteStartObject("properties");
        more?.Invoke(schema);
        foreach (SpecField<T> field in _fields)
        {
            schema.WriteStartObject(field.Name);
            schema.WriteString("description", field.Meaning);
            field.Describe(schema);
            schema.WriteEndObject();
        }

        schema.WriteEndObject();
    }

    /// <summary>Refusals of the library's own parsers get the place.</summary>
    private static T Understand(SpecNode node, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (StrataException error)
        {
            throw node.Fail(error.Message);
        }
    }

    private static string NameOf(JsonProperty property, SpecNode node)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw node.Fail("a field's name is no Unicode; remove it.");
        }
    }

    private static void WriteNames(Utf8JsonWriter schema, string keyword, IReadOnlyList<string> names)
    {
        if (names.Count == 0)
        {
            return;
        }

        schema.WriteStartArray(keyword);
        foreach (string name in names)
        {
            schema.WriteStringValue(name);
        }

        schema.WriteEndArray();
    }

    private void CheckAlternatives(SpecNode node, Dictionary<string, SpecNode> fields)
    {
        int count = Alternatives.Count(fields.ContainsKey);
        if (Alternatives.Count > 0 && count != 1)
        {
            string found = count == 0 ? "none" : "more than one";
            throw node.Fail($"{what} has {found} of {string.Join(", ", Alternatives)}; write exactly one.");
        }
    }
}

/// <summary>A field of a record of a machine specification.</summary>
internal abstract class SpecField<TOwner>(string name, string meaning, bool isRequired)
{
    public string Name => name;

    public string Meaning => meaning;

    public bool IsRequired => isRequired;

    /// <returns>The record with the field's value.</returns>
    public abstract TOwner Read(TOwner owner, SpecNode node);

    /// <param name="defaults">Null for a field that is left out where it is null.</param>
    public abstract void Write(Utf8JsonWriter writer, TOwner owner, TOwner? defaults);

    public abstract void Describe(Utf8JsonWriter schema);
}

/// <inheritdoc cref="SpecField{TOwner}"/>
internal sealed class SpecField<TOwner, T>(
    string name, SpecKind<T> kind, Func<TOwner, T> get, Func<TOwner, T, TOwner> set, string meaning, bool isRequired)
    : SpecField<TOwner>(name, meaning, isRequired)
{
    public override TOwner Read(TOwner owner, SpecNode node) => set(owner, kind.Read(node));

    public override void Write(Utf8JsonWriter writer, TOwner owner, TOwner? defaults)
    {
        T value = get(owner);
        if (value is not null || (defaults is not null && get(defaults) is not null))
        {
            writer.WritePropertyName(Name);
            kind.Write(writer, value);
        }
    }

    public override void Describe(Utf8JsonWriter schema) => kind.Describe(schema);
}
