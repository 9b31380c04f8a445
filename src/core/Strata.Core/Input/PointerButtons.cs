namespace Strata.Core.Input;

/// <summary>Buttons of a mouse, as a PS/2 packet has them.</summary>
[Flags]
public enum PointerButtons : byte
{
    None = 0,
    Left = 1,
    Right = 2,
    Middle = 4,
}
