namespace Strata.Core.Input;

/// <summary>A keyboard that somebody presses keys of.</summary>
public interface IKeyboard
{
    /// <summary>Presses or releases a key; the guest sees it when it asks. Any thread.</summary>
    /// <returns>False where the keyboard cannot take it now, as the guest has not asked for those before: try again later.</returns>
    bool Send(KeyCode key, bool pressed);
}
