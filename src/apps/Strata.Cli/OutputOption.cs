using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Strata.Cli;

/// <summary>`--output text|json`: of every command whose result a program may read.</summary>
internal static class OutputOption
{
    private const string Json = "json";
    private const string Text = "text";

    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    private static readonly JsonSerializerOptions WithoutNulls = new(Options) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public static Option<string> Create()
    {
        Option<string> output = new("--output", "-o") { Description = "text for people, json for programs.", DefaultValueFactory = _ => Text };
        output.CompletionSources.Add(Text, Json);
        output.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && result.Tokens[0].Value is var word and not (Text or Json))
            {
                result.AddError($"\"{word}\" is no output; write text or json.");
            }
        });
        return output;
    }

    public static bool IsJson(ParseResult result, Option<string> output) => result.GetValue(output) == Json;

    /// <param name="leaveOutNulls">Members without a value are left out instead of being null.</param>
    public static void WriteJson<T>(T value, bool leaveOutNulls = false) =>
        Console.WriteLine(JsonSerializer.Serialize(value, leaveOutNulls ? WithoutNulls : Options));
}
