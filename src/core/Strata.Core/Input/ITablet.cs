namespace Strata.Core.Input;

/// <summary>A pointer of a machine that is put somewhere, for whoever knows where. All members are safe on any thread.</summary>
public interface ITablet
{
    /// <summary>The right and the lower edge; the left and the upper one are 0.</summary>
    const int Largest = 0x7FFF;

    /// <summary>The guest listens: what is sent before is lost.</summary>
    bool IsReady { get; }

    /// <summary>Puts the pointer somewhere.</summary>
    /// <param name="x">0 to <see cref="Largest"/>, from the left.</param>
    /// <param name="y">0 to <see cref="Largest"/>, from the top.</param>
    /// <param name="wheel">Notches, towards the user.</param>
    /// <param name="buttons">Those that are held from now on.</param>
    void MoveTo(int x, int y, int wheel, PointerButtons buttons);
}
