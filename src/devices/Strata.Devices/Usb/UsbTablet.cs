using System.Buffers.Binary;
using Strata.Core.Input;

namespace Strata.Devices.Usb;

/// <summary>A pointer that says where it is, not how far it went, so that it is where a viewer's is.</summary>
public sealed class UsbTablet : UsbHidDevice, ITablet
{
    private const int WheelPlace = 5;

    /// <summary>Buttons, two places of 16 bits and a wheel. Device Class Definition for HID 1.11, "Report Descriptor".</summary>
    private static readonly byte[] ReportDescriptor =
    [
        0x05, 0x01, 0x09, 0x02, 0xA1, 0x01, 0x09, 0x01, 0xA1, 0x00, // a mouse with a pointer
        0x05, 0x09, 0x19, 0x01, 0x29, 0x03, 0x15, 0x00, 0x25, 0x01, 0x95, 0x03, 0x75, 0x01, 0x81, 0x02, // three buttons
        0x95, 0x01, 0x75, 0x05, 0x81, 0x01,
        0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x15, 0x00, 0x26, 0xFF, 0x7F, 0x35, 0x00, 0x46, 0xFF, 0x7F, // 0 to 32767
        0x75, 0x10, 0x95, 0x02, 0x81, 0x02,
        0x09, 0x38, 0x15, 0x81, 0x25, 0x7F, 0x35, 0x00, 0x45, 0x00, 0x75, 0x08, 0x95, 0x01, 0x81, 0x06, // the wheel moves
        0xC0, 0xC0,
    ];

    /// <summary>A tablet at its upper left corner.</summary>
    public UsbTablet()
        : base("tablet", "USB Tablet", bootProtocol: 0, ReportDescriptor, reportSize: 6)
    {
    }

    /// <inheritdoc/>
    public bool IsReady => IsConfigured;

    /// <inheritdoc/>
    public void MoveTo(int x, int y, int wheel, PointerButtons buttons)
    {
        lock (Gate)
        {
            Current[0] = (byte)buttons;
            BinaryPrimitives.WriteUInt16LittleEndian(Current.AsSpan(1), (ushort)Math.Clamp(x, 0, ITablet.Largest));
            BinaryPrimitives.WriteUInt16LittleEndian(Current.AsSpan(3), (ushort)Math.Clamp(y, 0, ITablet.Largest));
            Current[WheelPlace] = (byte)(sbyte)Math.Clamp(-wheel, -127, 127); // a wheel counts away from the user
            TryReport();
            Current[WheelPlace] = 0;
        }

        Announce();
    }
}
