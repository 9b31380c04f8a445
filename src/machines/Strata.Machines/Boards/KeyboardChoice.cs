using Strata.Core.Input;
using Strata.Devices.Usb;

namespace Strata.Machines.Boards;

/// <summary>Of two keyboards, the one that the guest listens to: that on USB once it is set up, and until then the PC's own.</summary>
internal sealed class KeyboardChoice(IKeyboard own, UsbKeyboard usb) : IKeyboard
{
    public bool IsIdle => own.IsIdle && usb.IsIdle;

    public KeyboardLamps Lamps => Chosen.Lamps;

    private IKeyboard Chosen => usb.IsConfigured ? usb : own;

    public bool Send(KeyCode key, bool pressed) => Chosen.Send(key, pressed);
}
