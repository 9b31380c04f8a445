namespace Strata.Engines;

/// <summary>Engines as users write them.</summary>
public static class EngineNames
{
    internal static IReadOnlyList<(Engine Engine, string Name)> All { get; } =
    [
        (Engine.Auto, "auto"), (Engine.Kvm, "kvm"), (Engine.Translator, "translator"), (Engine.Interpreter, "interpreter"),
    ];

    public static string Of(Engine engine) => All.First(entry => entry.Engine == engine).Name;

    /// <exception cref="StrataException">There is no such engine.</exception>
    public static Engine Parse(string text)
    {
        (Engine engine, string? name) = All.FirstOrDefault(entry => entry.Name == text);
        return name is not null
            ? engine
            : throw new StrataException(StrataError.BadInput, $"There is no engine \"{text}\"; use {string.Join(", ", All.Select(entry => entry.Name))}.");
    }
}
