using System.Buffers.Binary;

namespace Strata.Disks.Vhd;

/// <summary>The checksum of footers and headers: the ones' complement of the sum of their bytes, the checksum itself left out.</summary>
internal static class VhdChecksum
{
    /// <param name="structure">The whole structure.</param>
    /// <param name="field">Where its checksum lies.</param>
    public static bool IsRight(ReadOnlySpan<byte> structure, int field) =>
        BinaryPrimitives.ReadUInt32BigEndian(structure[field..]) == Compute(structure, field);

    public static void Put(Span<byte> structure, int field) =>
        BinaryPrimitives.WriteUInt32BigEndian(structure[field..], Compute(structure, field));

    private static uint Compute(ReadOnlySpan<byte> structure, int field)
    {
        uint sum = 0;
        for (int at = 0; at < structure.Length; at++)
        {
            sum += at >= field && at < field + sizeof(uint) ? 0u : structure[at];
        }

        return ~sum;
    }
}
