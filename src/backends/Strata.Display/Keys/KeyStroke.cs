using Strata.Core.Input;

namespace Strata.Display.Keys;

/// <summary>A key, and whether Shift is held for it.</summary>
public readonly record struct KeyStroke(KeyCode Key, bool Shift);
