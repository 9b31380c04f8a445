namespace Strata.Core.Input;

/// <summary>A mouse that somebody moves.</summary>
public interface IPointer
{
    /// <summary>Moves it; what the guest has not asked for yet adds up. Any thread.</summary>
    /// <param name="dx">Pixels to the right.</param>
    /// <param name="dy">Pixels down.</param>
    /// <param name="wheel">Steps of the wheel towards the user.</param>
    /// <param name="buttons">All that are held down now.</param>
    void Move(int dx, int dy, int wheel, PointerButtons buttons);
}
