namespace Strata.Machines.Boards;

/// <summary>A device for a machine's USB controller.</summary>
public enum UsbDeviceKind
{
    /// <summary>A pointer that is put somewhere.</summary>
    Tablet,

    /// <summary>A keyboard.</summary>
    Keyboard,
}
