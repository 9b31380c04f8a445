using System.Buffers.Binary;

namespace Strata.Devices.Usb;

/// <summary>A control request: its setup packet. Universal Serial Bus Specification 2.0, "USB Device Requests".</summary>
/// <param name="Type">Direction in bit 7, kind in bits 6 and 5, recipient below.</param>
/// <param name="Request">Which request.</param>
/// <param name="Value">Its argument.</param>
/// <param name="Index">Interface or endpoint, or the language of a string.</param>
/// <param name="Length">Bytes of data, at most.</param>
internal readonly record struct UsbSetup(byte Type, byte Request, ushort Value, ushort Index, ushort Length)
{
    public const int Size = 8;

    /// <summary>Data go to the host.</summary>
    public bool IsIn => (Type & 0x80) != 0;

    public ulong Packed => Type | ((ulong)Request << 8) | ((ulong)Value << 16) | ((ulong)Index << 32) | ((ulong)Length << 48);

    public static UsbSetup Unpack(ulong value)
    {
        Span<byte> bytes = stackalloc byte[Size];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return new UsbSetup(
            bytes[0],
            bytes[1],
            BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]),
            BinaryPrimitives.ReadUInt16LittleEndian(bytes[4..]),
            BinaryPrimitives.ReadUInt16LittleEndian(bytes[6..]));
    }
}
