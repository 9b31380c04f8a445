using Strata.Core.Input;

namespace Strata.Devices.Usb;

/// <summary>A keyboard that reports which keys are held, as firmware and systems know it without a driver of its own.</summary>
public sealed class UsbKeyboard : UsbHidDevice, IKeyboard
{
    private const int FirstKey = 2;      // behind modifiers and a byte that is none
    private const int FirstModifier = 0xE0;

    /// <summary>HID Usage Tables 1.12, "Keyboard/Keypad Page", by key codes below 80h; 0 is none.</summary>
    private static ReadOnlySpan<byte> Usages =>
    [
        0x00, 0x29, 0x1E, 0x1F, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2D, 0x2E, 0x2A, 0x2B,
        0x14, 0x1A, 0x08, 0x15, 0x17, 0x1C, 0x18, 0x0C, 0x12, 0x13, 0x2F, 0x30, 0x28, 0xE0, 0x04, 0x16,
        0x07, 0x09, 0x0A, 0x0B, 0x0D, 0x0E, 0x0F, 0x33, 0x34, 0x35, 0xE1, 0x31, 0x1D, 0x1B, 0x06, 0x19,
        0x05, 0x11, 0x10, 0x36, 0x37, 0x38, 0xE5, 0x55, 0xE2, 0x2C, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E,
        0x3F, 0x40, 0x41, 0x42, 0x43, 0x53, 0x47, 0x5F, 0x60, 0x61, 0x56, 0x5C, 0x5D, 0x5E, 0x57, 0x59,
        0x5A, 0x5B, 0x62, 0x63, 0x46, 0x00, 0x64, 0x44, 0x45,
    ];

    /// <summary>
    /// The report of a boot keyboard (Device Class Definition for HID 1.11, appendix B.1): modifiers, a byte, six keys; five lamps.
    /// </summary>
    private static readonly byte[] ReportDescriptor =
    [
        0x05, 0x01, 0x09, 0x06, 0xA1, 0x01, // a keyboard
        0x05, 0x07, 0x19, 0xE0, 0x29, 0xE7, 0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x08, 0x81, 0x02, // modifiers
        0x95, 0x01, 0x75, 0x08, 0x81, 0x01,
        0x95, 0x05, 0x75, 0x01, 0x05, 0x08, 0x19, 0x01, 0x29, 0x05, 0x91, 0x02, // lamps
        0x95, 0x01, 0x75, 0x03, 0x91, 0x01,
        0x95, 0x06, 0x75, 0x08, 0x15, 0x00, 0x26, 0xFF, 0x00, 0x05, 0x07, 0x19, 0x00, 0x2A, 0xFF, 0x00, 0x81, 0x00, // keys
        0xC0,
    ];

    /// <summary>A keyboard without a key held.</summary>
    public UsbKeyboard()
        : base("keyboard", "USB Keyboard", bootProtocol: 1, ReportDescriptor, reportSize: 8)
    {
    }

    /// <inheritdoc/>
    public bool IsIdle
    {
        get
        {
            lock (Gate)
            {
                if (Waiting > 0)
                {
                    return false;
                }
            }

            return AreEventsTaken?.Invoke() ?? true;
        }
    }

    /// <inheritdoc/>
    public KeyboardLamps Lamps
    {
        get
        {
            lock (Gate)
            {
                return ((Output & 1) != 0 ? KeyboardLamps.NumLock : 0) | ((Output & 2) != 0 ? KeyboardLamps.CapsLock : 0)
                    | ((Output & 4) != 0 ? KeyboardLamps.ScrollLock : 0);
            }
        }
    }

    /// <inheritdoc/>
    public bool Send(KeyCode key, bool pressed)
    {
        byte usage = UsageOf(key);
        if (usage == 0)
        {
            return true;
        }

        bool isReported;
        lock (Gate)
        {
            Hold(usage, pressed);
            isReported = TryReport();
        }

        Announce();
        return isReported;
    }

    /// <summary>Lets all keys go, and forgets what the guest has not taken: they are typed elsewhere.</summary>
    public void ForgetKeys()
    {
        lock (Gate)
        {
            Array.Clear(Current);
            ForgetReports();
        }
    }

    private static byte UsageOf(KeyCode key) => (byte)key < Usages.Length ? Usages[(byte)key] : UsageOfExtended(key);

    private static byte UsageOfExtended(KeyCode key) => key switch
    {
        KeyCode.KeypadEnter => 0x58,
        KeyCode.ControlRight => 0xE4,
        KeyCode.KeypadDivide => 0x54,
        KeyCode.PrintScreen => 0x46,
        KeyCode.AltRight => 0xE6,
        KeyCode.Pause => 0x48,
        KeyCode.Home => 0x4A,
        KeyCode.Up => 0x52,
        KeyCode.PageUp => 0x4B,
        KeyCode.Left => 0x50,
        KeyCode.Right => 0x4F,
        KeyCode.End => 0x4D,
        KeyCode.Down => 0x51,
        KeyCode.PageDown => 0x4E,
        KeyCode.Insert => 0x49,
        KeyCode.Delete => 0x4C,
        KeyCode.MetaLeft => 0xE3,
        KeyCode.MetaRight => 0xE7,
        KeyCode.Menu => 0x65,
        _ => 0,
    };

    private void Hold(byte usage, bool pressed)
    {
        if (usage >= FirstModifier)
        {
            int bit = 1 << (usage - FirstModifier);
            Current[0] = (byte)(pressed ? Current[0] | bit : Current[0] & ~bit);
            return;
        }

        Span<byte> keys = Current.AsSpan(FirstKey);
        int at = keys.IndexOf(usage);
        if (!pressed && at >= 0)
        {
            keys[(at + 1)..].CopyTo(keys[at..]);
            keys[^1] = 0;
        }
        else if (pressed && at < 0)
        {
            int free = keys.IndexOf((byte)0);
            if (free >= 0)
            {
                keys[free] = usage; // a seventh key is one that no report has
            }
        }
    }
}
