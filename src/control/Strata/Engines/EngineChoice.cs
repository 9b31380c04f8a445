namespace Strata.Engines;

/// <summary>The engine that <see cref="Engine.Auto"/> stands for on this host.</summary>
/// <param name="Engine">Never <see cref="Engine.Auto"/>.</param>
/// <param name="Reason">A sentence that says why, with the measurement.</param>
public sealed record EngineChoice(Engine Engine, string Reason);
