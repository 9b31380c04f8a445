using System.Buffers.Binary;

namespace Strata.Machines.Boot;

/// <summary>Tables and strings one behind the other, and the addresses they will have.</summary>
/// <param name="address">Guest-physical address of the first byte.</param>
internal sealed class TableBlock(ulong address)
{
    private const int Alignment = 16;
    private readonly List<byte> _bytes = [];

    public byte[] ToArray() => [.. _bytes];

    /// <summary>Appends bytes.</summary>
    /// <returns>Their guest-physical address.</returns>
    public ulong Add(ReadOnlySpan<byte> bytes)
    {
        ulong at = address + (ulong)_bytes.Count;
        _bytes.AddRange(bytes);
        _bytes.AddRange(new byte[-_bytes.Count & (Alignment - 1)]);
        return at;
    }

    /// <summary>Changes a number of what was appended.</summary>
    public void Put32(ulong at, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        Put(at, bytes);
    }

    /// <summary>Changes a number of what was appended.</summary>
    public void Put64(ulong at, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        Put(at, bytes);
    }

    private void Put(ulong at, ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            _bytes[(int)(at - address) + i] = bytes[i];
        }
    }
}
