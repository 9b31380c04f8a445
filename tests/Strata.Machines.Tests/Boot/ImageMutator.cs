namespace Strata.Machines.Tests.Boot;

/// <summary>Damages images: a few fields of interest or bytes at a time, truncation, growth. The same seed gives the same images.</summary>
internal sealed class ImageMutator(int seed, int headerSize)
{
    private static readonly ulong[] Interesting =
    [
        0, 1, 2, 3, 7, 12, 0x7F, 0x80, 0xFF, 0x1FF, 0x200, 0xFFF, 0x1000, 0x7000, 0x7FFF, 0x8000, 0xD000, 0xFFFF, 0x10000, 0x20000, 0xE0000,
        0xFFFFF,
        0x100000, BootBench.Size - 1, BootBench.Size, BootBench.Size + 1, 0x7FFFFFFF, 0x80000000, 0xFEE00000, 0xFFFFF000, 0xFFFFFFFF,
        0x1_0000_0000, long.MaxValue, 1UL << 63, ulong.MaxValue - 4095, ulong.MaxValue,
    ];

    private readonly Random _random = new(seed);

    public byte[] Mutate(byte[] valid)
    {
        byte[] image = [.. valid];
        int changes = _random.Next(1, 5);
        for (int i = 0; i < changes && image.Length > 8; i++)
        {
            image = Change(image);
        }

        return image;
    }

    private byte[] Change(byte[] image)
    {
        int limit = Math.Min(_random.Next(4) == 0 ? image.Length : headerSize, image.Length) - 8;
        int at = _random.Next(Math.Max(limit, 1));
        int aligned = at & ~3;
        ulong value = _random.Next(3) == 0 ? (ulong)_random.NextInt64() : Interesting[_random.Next(Interesting.Length)];
        switch (_random.Next(9))
        {
            case 0:
                return image[.._random.Next(image.Length)];
            case 1:
                return [.. image, .. new byte[_random.Next(4096)]];
            case 2:
                image[at] ^= (byte)(1 << _random.Next(8));
                return image;
            case 3:
                image[at] = (byte)_random.Next(256);
                return image;
            case 4:
                return image.Put16(at & ~1, (ushort)value);
            case 5 or 6:
                return image.Put32(aligned, (uint)value);
            case 7:
                return image.Put64(aligned, value);
            default:
                return image.PutBytes(aligned, image.AsSpan(_random.Next(image.Length - 8), 8).ToArray());
        }
    }
}
