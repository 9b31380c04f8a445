using Strata.Machines.Engines;

namespace Strata.Engines;

/// <summary>Engines as users write them.</summary>
public static class EngineNames
{
    /// <summary>What an engine can be asked for by.</summary>
    public static IReadOnlyList<string> All { get; } = [Engine.Auto.Name, .. EngineRegistry.All.Select(engine => engine.Name)];

    /// <exception cref="StrataException">There is no such engine.</exception>
    public static Engine Parse(string text) => All.Contains(text) ? new Engine(text) : throw Unknown(text);

    /// <summary>The engine behind a name other than <see cref="Engine.Auto"/>.</summary>
    /// <exception cref="StrataException">There is no such engine, or this host cannot run it.</exception>
    internal static EngineDescriptor Find(Engine engine)
    {
        EngineDescriptor found = EngineRegistry.Find(engine.Name) ?? throw Unknown(engine.Name);
        return found.FindObstacle() is { } obstacle ? throw new StrataException(StrataError.Host, obstacle) : found;
    }

    private static StrataException Unknown(string name) =>
        new(StrataError.BadInput, $"There is no engine \"{name}\"; use {string.Join(", ", All)}.");
}
