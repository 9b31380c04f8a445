using System.Buffers.Binary;
using Strata.Core.Memory;
using Strata.Machines.Boot;
using Strata.Machines.Firmware;

namespace Strata.Machines.Tests.Firmware;

/// <summary>ROMs of cards: firmware takes a program only with the card's own numbers and a right sum.</summary>
public sealed class OptionRomTests
{
    private const int Structure = 0x40;

    [Fact]
    public void Create_RomOfAnotherCard_HasTheCardsNumbersAndARightSum()
    {
        byte[] rom = [.. Image(2, kind: 0, isLast: false), .. Image(4, kind: 3, isLast: true)];
        byte sum = Sum(rom.AsSpan(0, 1024));

        using GuestMemory memory = OptionRom.Create(rom, 0x1AF4, 0x1041);

        Span<byte> bytes = memory.Slice(0, 4096);
        Assert.Equal(4096UL, memory.Size);
        Assert.Equal(sum, Sum(bytes[..1024]));
        Assert.Equal((0x1AF4, 0x1041), (Read(bytes, Structure + 4), Read(bytes, Structure + 6)));
        Assert.Equal((0x1AF4, 0x1041), (Read(bytes, 1024 + Structure + 4), Read(bytes, 1024 + Structure + 6)));
        Assert.Equal(Image(4, kind: 3, isLast: true)[..6], bytes.Slice(1024, 6).ToArray()); // UEFI's has no sum
    }

    [Theory]
    [InlineData(0, 0)]          // no signature
    [InlineData(Structure, 0)]  // no structure
    [InlineData(0x19, 0xFF)]    // a structure behind the end
    [InlineData(Structure + 0x10, 9)] // longer than it is
    [InlineData(Structure + 0x10, 0)] // without end
    [InlineData(Structure + 0x15, 0)] // one more image that is not there
    public void Create_DamagedRom_IsRefused(int at, byte value)
    {
        byte[] rom = Image(2, kind: 0, isLast: true);
        rom[at] = value;

        Assert.Throws<BootImageException>(() => OptionRom.Create(rom, 1, 2));
    }

    [Fact]
    public void Create_NoBytes_AreRefused() => Assert.Throws<BootImageException>(() => OptionRom.Create([], 1, 2));

    private static byte[] Image(int units, byte kind, bool isLast)
    {
        byte[] image = new byte[units * 512];
        new Random(units).NextBytes(image.AsSpan(0x80));
        (image[0], image[1], image[2], image[0x18], image[0x19]) = (0x55, 0xAA, (byte)units, Structure, 0);
        "PCIR"u8.CopyTo(image.AsSpan(Structure));
        (image[Structure + 4], image[Structure + 5], image[Structure + 6], image[Structure + 7]) = (0x86, 0x80, 0x0E, 0x10);
        (image[Structure + 0x10], image[Structure + 0x14], image[Structure + 0x15]) = ((byte)units, kind, (byte)(isLast ? 0x80 : 0));
        return image;
    }

    private static int Read(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static byte Sum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (byte value in bytes)
        {
            sum += value;
        }

        return sum;
    }
}
