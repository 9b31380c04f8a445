using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Strata.Specs;

namespace Strata;

/// <content>As JSON: docs/formats/machine-spec.md.</content>
public sealed partial record MachineSpec
{
    /// <summary>The version of the JSON form. Raised when an older reader would misunderstand what a newer one writes.</summary>
    public const int Version = 1;

    /// <summary>Bytes of JSON that are read at most.</summary>
    public const int LargestJson = 1 << 20;

    private const int Depth = 16;

    private static readonly JsonWriterOptions Layout =
        new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, NewLine = "\n" };

    /// <summary>Reads what <see cref="ToJson"/> writes, or people do. Relative paths stay as they are.</summary>
    /// <exception cref="StrataException">
    /// It is no machine specification, or none of this version. The message begins with the place, such as disks[1].format.
    /// </exception>
    public static MachineSpec FromJson(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        try
        {
            return Parse(Encoding.UTF8.GetBytes(json));
        }
        catch (SpecException error)
        {
            throw new StrataException(StrataError.BadInput, error.Message, error);
        }
    }

    /// <summary>Reads a file. Relative paths in it start from the file's folder.</summary>
    /// <inheritdoc cref="FromJson"/>
    public static async Task<MachineSpec> LoadAsync(string path, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            MachineSpec spec = Parse(await ReadFileAsync(path, cancellationToken).ConfigureAwait(false));
            return spec.RootedAt(Path.GetDirectoryName(Path.GetFullPath(path))!);
        }
        catch (SpecException error)
        {
            throw new StrataException(StrataError.BadInput, $"The machine specification {path} cannot be used. {error.Message}", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new StrataException(
                StrataError.BadInput, $"The machine specification {path} cannot be read: {error.Message} Check the path.", error);
        }
    }

    /// <summary>The machine as JSON, defaults included, so that a later version's defaults change nothing.</summary>
    public string ToJson()
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream, Layout))
        {
            Write(writer);
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length) + "\n";
    }

    /// <summary>The JSON Schema of the form.</summary>
    internal static string DescribeJson()
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream, Layout))
        {
            MachineForm.Describe(writer);
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length) + "\n";
    }

    /// <summary>As a part of another document.</summary>
    internal JsonElement ToElement()
    {
        using JsonDocument document = JsonDocument.Parse(ToJson());
        return document.RootElement.Clone();
    }

    /// <summary>As a part of another document.</summary>
    internal void Write(Utf8JsonWriter writer) => MachineForm.Write(writer, this);

    /// <exception cref="SpecException">It is no machine specification.</exception>
    internal static MachineSpec Read(JsonElement element) => MachineForm.Read(new SpecNode(element, string.Empty));

    private static MachineSpec Parse(ReadOnlyMemory<byte> json)
    {
        if (json.Length > LargestJson)
        {
            throw new SpecException($"It has more than {LargestJson >> 10} KiB, which no machine specification needs; check the file.");
        }

        try
        {
            ReadOnlyMemory<byte> text = json.Span.StartsWith(Encoding.UTF8.Preamble) ? json[Encoding.UTF8.Preamble.Length..] : json;
            using JsonDocument document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = Depth });
            return Read(document.RootElement);
        }
        catch (JsonException error)
        {
            throw new SpecException(
                $"Line {(error.LineNumber ?? 0) + 1} is no JSON: {Control.Printable.Text(error.Message)} Mend it there.", error);
        }
    }

    /// <summary>One byte more than is allowed tells that there are too many: a device or a pipe may go on for ever.</summary>
    private static async Task<ReadOnlyMemory<byte>> ReadFileAsync(string path, CancellationToken cancellationToken)
    {
        FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.Asynchronous);
        await using (file.ConfigureAwait(false))
        {
            byte[] content = new byte[LargestJson + 1];
            int length = await file.ReadAtLeastAsync(content, content.Length, throwOnEndOfStream: false, cancellationToken)
                .ConfigureAwait(false);
            return content.AsMemory(0, length);
        }
    }
}
