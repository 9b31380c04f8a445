using Strata.Core.Input;

namespace Strata.Devices.Input;

/// <content>For whoever types: keys, lamps, and the repetition of a key that is held.</content>
public sealed partial class Ps2Controller8042
{
    // Of whoever types, under _gate
    private KeyCode? _held;      // the key that repeats
    private long _nextRepeat;    // when, as the timer is armed

    /// <inheritdoc/>
    public bool IsIdle
    {
        get
        {
            lock (_gate)
            {
                return HasTakenKeys;
            }
        }
    }

    /// <inheritdoc/>
    public KeyboardLamps Lamps
    {
        get
        {
            lock (_gate)
            {
                return (KeyboardLamps)_keyboard.Lamps;
            }
        }
    }

    /// <inheritdoc/>
    public bool Send(KeyCode key, bool pressed)
    {
        lock (_gate)
        {
            if (pressed || key == _held)
            {
                LetGo();
            }

            return Type(key, pressed);
        }
    }

    /// <inheritdoc/>
    public bool Hold(KeyCode key)
    {
        lock (_gate)
        {
            if (key == _held)
            {
                return true; // whoever holds it repeats, too
            }

            LetGo();
            if (!Type(key, pressed: true))
            {
                return false;
            }

            if (_clock is not null && _keyboard.IsEnabled && _keyboard.Repeats(key))
            {
                _held = key;
                Arm(_keyboard.RepeatDelay);
            }

            return true;
        }
    }

    private bool HasTakenKeys => _keyboard.Output.Count == 0 && (!_isFull || _isFromMouse);

    private bool Type(KeyCode key, bool pressed)
    {
        bool hadRoom = _keyboard.TryType(key, pressed);
        Update();
        return hadRoom;
    }

    private void LetGo()
    {
        if (_held is not null)
        {
            _held = null;
            _timer?.Disarm();
        }
    }

    private void Arm(long wait)
    {
        _nextRepeat = _clock!.Now + wait;
        _timer!.Arm(_nextRepeat);
    }

    /// <summary>The key that is held repeats. A guest that has not taken the last one yet gets no further one.</summary>
    private void OnRepeat()
    {
        lock (_gate)
        {
            if (_held is not { } key || _clock!.Now < _nextRepeat)
            {
                return; // let go, or held anew, while this was under way
            }

            if (!_keyboard.Repeats(key))
            {
                LetGo();
                return;
            }

            if (HasTakenKeys)
            {
                Type(key, pressed: true);
            }

            Arm(_keyboard.RepeatPeriod);
        }
    }
}
