using System.Buffers.Binary;
using System.Numerics;

namespace Strata.Devices.Firmware;

/// <summary>
/// What a flash chip says about itself. JEDEC JESD68.01, "Common Flash Interface", and JEP137 for the command set's number.
/// <code>
/// 10h  QRY   13h command set (16)   15h place of its own table (16)   17h, 19h no other set
/// 1Bh  voltages, times, as powers of two        27h  size   28h interface (16)   2Ah bytes of a buffered write (16): none
/// 2Ch  regions of like blocks: 1    2Dh  blocks - 1 (16)   2Fh  size of a block / 256 (16)
/// 31h  PRI, version 1.0, features (32): none
/// </code>
/// </summary>
internal static class CfiQuery
{
    private const int CommandSet = 0x13;
    private const int ExtendedTable = 0x31;
    private const ushort IntelStandard = 3;

    /// <param name="size">Bytes of the chip.</param>
    /// <param name="blockSize">Bytes that are erased at once, a multiple of 256.</param>
    public static byte[] Describe(int size, int blockSize)
    {
        byte[] table = new byte[0x40];
        "QRY"u8.CopyTo(table.AsSpan(0x10));
        BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(CommandSet), IntelStandard);
        BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(CommandSet + 2), ExtendedTable);
        table[0x1B] = 0x27; // volts, as digits
        table[0x1C] = 0x36;
        table[0x1F] = 0x07; // microseconds of a byte, as the power of two
        table[0x21] = 0x0A; // milliseconds of a block
        table[0x23] = 0x04; // at most so many times that, as powers of two
        table[0x25] = 0x04;
        table[0x27] = (byte)BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)size));
        table[0x2C] = 1;
        BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(0x2D), (ushort)((size / blockSize) - 1));
        BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(0x2F), (ushort)(blockSize / 256));
        "PRI10"u8.CopyTo(table.AsSpan(ExtendedTable));
        return table;
    }
}
