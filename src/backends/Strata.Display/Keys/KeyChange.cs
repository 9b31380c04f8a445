using Strata.Core.Input;

namespace Strata.Display.Keys;

/// <summary>A key that goes down or up.</summary>
public readonly record struct KeyChange(KeyCode Key, bool Pressed);
