using System.Globalization;
using System.Text.Json;
using Strata.Control;

namespace Strata.Specs;

/// <summary>A value of a machine specification, and where it stands, such as disks[1].format.</summary>
/// <param name="Path">Empty for the whole.</param>
internal readonly record struct SpecNode(JsonElement Element, string Path)
{
    private const int LongestShown = 40;

    public SpecNode Field(string name, JsonElement element) => new(element, Path.Length == 0 ? name : $"{Path}.{name}");

    public SpecNode Item(int index, JsonElement element) => new(element, string.Create(CultureInfo.InvariantCulture, $"{Path}[{index}]"));

    /// <summary>The value is none of those that are possible.</summary>
    /// <param name="form">What could stand here, as the end of "write …".</param>
    public SpecException Refuse(string form) => Fail($"{Show()} is not possible here; write {form}.");

    /// <param name="cause">A sentence with cause and remedy.</param>
    public SpecException Fail(string cause) => new(Path.Length == 0 ? cause : $"{Path}: {cause}");

    /// <summary>The text of a string.</summary>
    /// <returns>Null for what is no string, or none that UTF-16 can hold.</returns>
    public string? TryGetText()
    {
        try
        {
            return Element.ValueKind == JsonValueKind.String ? Element.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null; // half of a surrogate pair, or bytes that are no UTF-8
        }
    }

    private string Show() => Element.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => TryGetText() is { } text ? $"\"{Shorten(text)}\"" : "a text that is no Unicode",
        _ => Shorten(Element.GetRawText()),
    };

    private static string Shorten(string text)
    {
        string printable = Printable.Text(text.Length <= LongestShown ? text : text[..LongestShown]);
        return text.Length <= LongestShown ? printable : printable + "…";
    }
}

/// <summary>A machine specification cannot be understood; the message has the place, the cause and the remedy.</summary>
internal sealed class SpecException : Exception
{
    public SpecException(string message)
        : base(message)
    {
    }

    public SpecException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    public SpecException()
    {
    }
}
