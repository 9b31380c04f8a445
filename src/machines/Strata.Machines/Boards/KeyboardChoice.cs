using Strata.Core.Input;
using Strata.Core.Time;
using Strata.Devices.Usb;

namespace Strata.Machines.Boards;

/// <summary>
/// Of two keyboards, the one that the guest listens to: that on USB once it is set up, and otherwise the PC's own. Firmware sets both
/// up and leaves them to a system that may have no driver for one: keys that USB's keyboard does not get rid of are typed on the other.
/// </summary>
internal sealed class KeyboardChoice(IKeyboard own, UsbKeyboard usb, IVirtualClock clock) : IKeyboard
{
    private const long Patience = 1_000_000_000; // ns

    private readonly Lock _gate = new(); // over all that follows; keyboards' own locks come behind it
    private readonly List<(KeyCode Key, bool Pressed)> _sent = []; // to USB, and not taken as far as is known
    private long _since;                 // when the first of them was sent
    private int _deafSetup = -1;         // the set-up of the USB keyboard that nobody listens to

    public bool IsIdle
    {
        get
        {
            lock (_gate)
            {
                return Choose().IsIdle;
            }
        }
    }

    public KeyboardLamps Lamps
    {
        get
        {
            lock (_gate)
            {
                return Choose().Lamps;
            }
        }
    }

    public bool Send(KeyCode key, bool pressed)
    {
        lock (_gate)
        {
            return ChooseFor(key, pressed).Send(key, pressed);
        }
    }

    public bool Hold(KeyCode key)
    {
        lock (_gate)
        {
            return ChooseFor(key, pressed: true).Hold(key);
        }
    }

    private IKeyboard ChooseFor(KeyCode key, bool pressed)
    {
        IKeyboard chosen = Choose();
        if (ReferenceEquals(chosen, usb))
        {
            _since = _sent.Count == 0 ? clock.Now : _since;
            _sent.Add((key, pressed));
        }

        return chosen;
    }

    private IKeyboard Choose()
    {
        if (!usb.IsConfigured || usb.Setups == _deafSetup)
        {
            _sent.Clear();
            return own;
        }

        if (usb.IsIdle)
        {
            _sent.Clear();
        }
        else if (_sent.Count > 0 && clock.Now - _since > Patience)
        {
            _deafSetup = usb.Setups;
            usb.ForgetKeys();
            _sent.ForEach(sent => own.Send(sent.Key, sent.Pressed));
            _sent.Clear();
            return own;
        }

        return usb;
    }
}
