using System.Globalization;

namespace Strata.Specs;

/// <summary>The plain kinds of values that machine specifications have.</summary>
internal static class SpecKinds
{
    /// <summary>Seconds or milliseconds; more is a mistake.</summary>
    private const decimal LongestTime = 1_000_000;

    public static FlagKind Flag { get; } = new();

    public static SpecKind<string> Text { get; } = CreateText("a text", _ => true);

    public static SpecKind<string> FilePath { get; } = CreateText("the path of a file or folder", text => text.Length > 0);

    public static SpecKind<string?> OptionalText { get; } = Optional(Text);

    public static SpecKind<string?> OptionalPath { get; } = Optional(FilePath);

    public static SpecKind<TimeSpan> Duration { get; } = new TextKind<TimeSpan>(
        "a time in milliseconds or seconds, such as \"20ms\" or \"1s\"", TryParseTime, PrintTime);

    public static OptionalKind<T, T> Optional<T>(SpecKind<T> kind)
        where T : class => new(kind, value => value, value => value);

    public static OptionalKind<T, T?> OptionalValue<T>(SpecKind<T> kind)
        where T : struct => new(kind, value => value, value => value!.Value);

    /// <summary>The content of a file.</summary>
    public static SpecKind<string> LongText { get; } = CreateText("the text of a file", _ => true, CloudInitSpec.LargestText);

    private static TextKind<string> CreateText(string form, Predicate<string> isGood, int longest = 16 << 10) => new(
        form,
        (string text, out string? value) =>
        {
            value = text;
            return isGood(text);
        },
        value => value,
        longest);

    private static bool TryParseTime(string text, out TimeSpan time)
    {
        (string unit, long ticks) = text.EndsWith("ms", StringComparison.Ordinal)
            ? ("ms", TimeSpan.TicksPerMillisecond)
            : ("s", TimeSpan.TicksPerSecond);
        time = default;
        if (!text.EndsWith(unit, StringComparison.Ordinal)
            || !decimal.TryParse(text[..^unit.Length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number)
            || number > LongestTime)
        {
            return false;
        }

        time = new TimeSpan((long)(number * ticks));
        return true;
    }

    private static string PrintTime(TimeSpan time) =>
        string.Create(CultureInfo.InvariantCulture, $"{time.Ticks / (decimal)TimeSpan.TicksPerMillisecond:0.####}ms");
}
