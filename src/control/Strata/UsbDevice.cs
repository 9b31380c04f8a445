namespace Strata;

/// <summary>A device on a machine's USB controller (xHCI), which a machine has where there is one.</summary>
public enum UsbDevice
{
    /// <summary>A pointer that is where a viewer's is, in place of the mouse that only knows movements.</summary>
    Tablet,

    /// <summary>A keyboard, which takes the keys once the guest has set it up.</summary>
    Keyboard,
}
