using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Strata.Control;

namespace Strata.Cli;

/// <summary>`--output text|json`: of every command whose result a program may read.</summary>
internal static class OutputOption
{
    private const string Json = "json";
    private const string Text = "text";

    private static readonly JsonSerializerOptions Options = DescriptionJson.CreateOptions(CommandJson.Default);
    private static readonly JsonSerializerOptions WithoutNulls = DescriptionJson.CreateOptions(CommandJson.Default, leaveOutNulls: true);

    public static Option<string> Create()
    {
        Option<string> output = new("--output", "-o")
        {
            Description = "text for people, json for programs.",
            DefaultValueFactory = _ => Text,
        };
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
    public static void WriteJson<T>(T value, bool leaveOutNulls = false) => Console.WriteLine(ToJson(value, leaveOutNulls));

    /// <typeparam name="T">One of the types that <see cref="CommandJson"/> or the library knows.</typeparam>
    internal static string ToJson<T>(T value, bool leaveOutNulls)
    {
        JsonSerializerOptions options = leaveOutNulls ? WithoutNulls : Options;
        return JsonSerializer.Serialize(value, (JsonTypeInfo<T>)options.GetTypeInfo(typeof(T)));
    }
}
