using System.Buffers.Binary;
using System.Numerics;
using L = Strata.Disks.Vhdx.VhdxLayout;

namespace Strata.Disks.Vhdx;

/// <summary>The CRC-32C of headers, region tables and log entries, computed with the checksum field as zeros.</summary>
internal static class VhdxChecksum
{
    public static bool IsRight(ReadOnlySpan<byte> structure) =>
        BinaryPrimitives.ReadUInt32LittleEndian(structure[L.Checksum..]) == Compute(structure);

    public static void Put(Span<byte> structure) => BinaryPrimitives.WriteUInt32LittleEndian(structure[L.Checksum..], Compute(structure));

    private static uint Compute(ReadOnlySpan<byte> structure)
    {
        uint crc = Add(uint.MaxValue, structure[..L.Checksum]);
        crc = Add(crc, [0, 0, 0, 0]);
        return ~Add(crc, structure[(L.Checksum + sizeof(uint))..]);
    }

    private static uint Add(uint crc, ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (byte value in bytes)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return crc;
    }
}
