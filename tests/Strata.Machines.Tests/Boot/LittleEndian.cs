using System.Buffers.Binary;

namespace Strata.Machines.Tests.Boot;

/// <summary>Fields of images, by offset.</summary>
internal static class LittleEndian
{
    public static byte[] Put16(this byte[] bytes, int offset, ushort value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(offset), value);
        return bytes;
    }

    public static byte[] Put32(this byte[] bytes, int offset, uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(offset), value);
        return bytes;
    }

    public static byte[] Put64(this byte[] bytes, int offset, ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(offset), value);
        return bytes;
    }

    public static byte[] PutBytes(this byte[] bytes, int offset, ReadOnlySpan<byte> content)
    {
        content.CopyTo(bytes.AsSpan(offset));
        return bytes;
    }

    /// <summary>Bytes that repeat with no power of two, so that a shifted copy differs.</summary>
    public static byte[] Pattern(int length, int seed) => [.. Enumerable.Range(0, length).Select(i => (byte)(1 + ((i + seed) % 251)))];
}
