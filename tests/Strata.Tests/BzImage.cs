using System.Buffers.Binary;

namespace Strata.Tests;

/// <summary>The smallest file that is a bzImage. Linux kernel documentation, "The Linux/x86 Boot Protocol".</summary>
internal static class BzImage
{
    private const int SetupSectors = 4;
    private const int Payload = 4096;

    /// <param name="initSize">Bytes the kernel says it needs to unpack itself.</param>
    public static byte[] Create(uint initSize = 1 << 20)
    {
        byte[] image = new byte[((SetupSectors + 1) * 512) + Payload];
        image[0x1F1] = SetupSectors;
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(0x1F4), Payload / 16);
        BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(0x1FE), 0xAA55);
        image[0x201] = 0x6A; // the header ends at 0x26C
        "HdrS"u8.CopyTo(image.AsSpan(0x202));
        BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(0x206), 0x20F);
        image[0x211] = 1; // loaded high
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(0x22C), 0x7FFFFFFF);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(0x238), 2047);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(0x258), 0x100000);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(0x260), initSize);
        image.AsSpan((SetupSectors + 1) * 512).Fill(0xF4); // hlt
        return image;
    }
}
