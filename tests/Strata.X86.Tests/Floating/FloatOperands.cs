using Strata.X86.Floating;

namespace Strata.X86.Tests.Floating;

/// <summary>Random operands that lean towards the edges: zeros, denormals, infinities, NaNs, ties, neighbouring exponents.</summary>
internal sealed class FloatOperands(int seed)
{
    private readonly Random _random = new(seed);

    public Random Random => _random;

    public uint Next32() => (uint)Next(23, 8, 127);

    public ulong Next64() => Next(52, 11, 1023);

    /// <summary>A number near another one in exponent, so that sums cancel and quotients stay finite.</summary>
    public uint Near32(uint other) => _random.Next(3) != 0 ? Next32() : (uint)Near(other, 23, 8);

    public ulong Near64(ulong other) => _random.Next(3) != 0 ? Next64() : Near(other, 52, 11);

    public Float80 Next80()
    {
        int sign = _random.Next(2) << 15;
        ulong significand = Fraction(64);
        int exponent = _random.Next(8) switch
        {
            0 => 0,
            1 => 0x7FFF,
            2 => _random.Next(1, 80),
            3 => 0x7FFE - _random.Next(80),
            4 or 5 => 16383 + _random.Next(-70, 70),
            _ => _random.Next(0x8000),
        };
        switch (_random.Next(16))
        {
            case 0:
                return new Float80(0, (ushort)sign);
            case 1:
                return new Float80(Float80.IntegerBit, (ushort)(sign | exponent));
            case 2:
                return new Float80(significand, (ushort)(sign | exponent));
            default:
                significand = exponent == 0 ? significand & ~Float80.IntegerBit : significand | Float80.IntegerBit;
                return new Float80(significand, (ushort)(sign | exponent));
        }
    }

    public Float80 Near80(Float80 other)
    {
        if (_random.Next(3) != 0 || !other.IsNormal)
        {
            return Next80();
        }

        int exponent = Math.Clamp(other.Exponent + _random.Next(-66, 67), 1, 0x7FFE);
        return new Float80(Fraction(64) | Float80.IntegerBit, (ushort)((_random.Next(2) << 15) | exponent));
    }

    public long NextInteger() => (long)Fraction(64) >> _random.Next(64);

    public uint NextMxcsr()
    {
        uint value = 0x1F80 | ((uint)_random.Next(4) << 13);
        value |= _random.Next(4) == 0 ? 0x40u : 0;
        return value | (_random.Next(4) == 0 ? 0x8000u : 0);
    }

    /// <summary>Bit patterns whose low bits make exact results, ties and near-ties likely.</summary>
    public ulong Fraction(int bits)
    {
        ulong value = (ulong)_random.NextInt64() ^ ((ulong)_random.NextInt64() << 1);
        value = _random.Next(6) switch
        {
            0 => 0,
            1 => ulong.MaxValue,
            2 => value & (ulong.MaxValue << _random.Next(64)),
            3 => ulong.MaxValue << _random.Next(64),
            4 => 1UL << _random.Next(64),
            _ => value,
        };
        return value >> (64 - bits);
    }

    private ulong Next(int fractionBits, int exponentBits, int bias)
    {
        int max = (1 << exponentBits) - 1;
        int exponent = _random.Next(8) switch
        {
            0 => 0,
            1 => max,
            2 => _random.Next(1, fractionBits + 3),
            3 => max - 1 - _random.Next(fractionBits + 3),
            4 or 5 => bias + _random.Next(-66, 66),
            _ => _random.Next(max + 1),
        };
        return ((ulong)_random.Next(2) << (fractionBits + exponentBits)) | ((ulong)exponent << fractionBits) | Fraction(fractionBits);
    }

    private ulong Near(ulong other, int fractionBits, int exponentBits)
    {
        int max = (1 << exponentBits) - 1;
        int exponent = Math.Clamp(((int)(other >> fractionBits) & max) + _random.Next(-3, 4), 0, max - 1);
        return ((ulong)_random.Next(2) << (fractionBits + exponentBits)) | ((ulong)exponent << fractionBits) | Fraction(fractionBits);
    }
}
