using System.CommandLine;
using System.Globalization;
using System.Numerics;

namespace Strata.Cli;

/// <summary>Options whose value is a whole number: what is none is refused in words for people.</summary>
internal static class NumberOption
{
    /// <param name="example">A value that would do.</param>
    public static Option<T> Create<T>(string name, string description, T example, T defaultValue = default)
        where T : struct, IBinaryInteger<T>
    {
        Option<T> option = new(name)
        {
            Description = description,
            CustomParser = result =>
            {
                if (T.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out T value))
                {
                    return value;
                }

                result.AddError($"\"{result.Tokens[0].Value}\" is no number that {name} takes; write one such as {example}.");
                return default;
            },
        };
        if (defaultValue != default)
        {
            option.DefaultValueFactory = _ => defaultValue; // the help shows it
        }

        return option;
    }
}
