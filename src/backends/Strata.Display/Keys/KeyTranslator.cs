using Strata.Core.Input;

namespace Strata.Display.Keys;

/// <summary>
/// Turns what a client's keys mean (keysyms) into keys of a US keyboard, for clients that do not say which keys they are. Where the
/// client's layout needs Shift or AltGr for a character and a US keyboard does not, or the other way round, the modifiers are set right
/// around the key. Not safe for several threads.
/// </summary>
internal sealed class KeyTranslator
{
    private readonly HashSet<KeyCode> _held = []; // what the guest takes for pressed
    private bool _hasCapsLock; // as far as this client pressed the key

    /// <summary>The keys that are pressed now.</summary>
    public IReadOnlyCollection<KeyCode> Held => _held;

    /// <summary>A key whose code the client says.</summary>
    public void Press(KeyCode key, bool pressed, List<KeyChange> changes)
    {
        if (pressed)
        {
            _hasCapsLock ^= key == KeyCode.CapsLock && !_held.Contains(key);
            _held.Add(key);
        }
        else if (!_held.Remove(key))
        {
            return; // a release without a press says nothing
        }

        changes.Add(new KeyChange(key, pressed));
    }

    /// <summary>A key by its meaning; one that a US keyboard does not have is left out.</summary>
    public void Translate(uint symbol, bool pressed, List<KeyChange> changes)
    {
        if (KeySymbols.TryGetKey(symbol, out KeyCode key))
        {
            Press(key, pressed, changes);
        }
        else if (FindCharacter(symbol) is char character && UsLayout.TryGetStroke(character, out KeyStroke stroke))
        {
            if (pressed)
            {
                PressCharacter(character, stroke, changes);
            }
            else
            {
                Press(stroke.Key, pressed: false, changes);
            }
        }
    }

    /// <summary>Releases all keys, as the client has gone.</summary>
    public void ReleaseAll(List<KeyChange> changes)
    {
        changes.AddRange(_held.Select(key => new KeyChange(key, Pressed: false)));
        _held.Clear();
    }

    /// <summary>Latin-1 characters are their own keysyms, others have bit 24 set.</summary>
    private static char? FindCharacter(uint symbol) => symbol switch
    {
        >= ' ' and <= '~' => (char)symbol,
        >= 0x0100_0020 and <= 0x0100_007E => (char)(symbol & 0xFF),
        _ => null,
    };

    private void PressCharacter(char character, KeyStroke stroke, List<KeyChange> changes)
    {
        bool needsShift = stroke.Shift ^ (_hasCapsLock && char.IsAsciiLetter(character));
        bool isShifted = _held.Contains(KeyCode.ShiftLeft) || _held.Contains(KeyCode.ShiftRight);
        KeyCode[] lifted =
        [
            .. _held.Where(
                key => (key is KeyCode.ShiftLeft or KeyCode.ShiftRight && !needsShift && character != ' ') || key == KeyCode.AltRight),
        ];
        bool addsShift = needsShift && !isShifted;
        changes.AddRange(lifted.Select(key => new KeyChange(key, Pressed: false)));
        if (addsShift)
        {
            changes.Add(new KeyChange(KeyCode.ShiftLeft, Pressed: true));
        }

        _held.Add(stroke.Key);
        changes.Add(new KeyChange(stroke.Key, Pressed: true));
        if (addsShift)
        {
            changes.Add(new KeyChange(KeyCode.ShiftLeft, Pressed: false));
        }

        changes.AddRange(lifted.Select(key => new KeyChange(key, Pressed: true)));
    }
}
