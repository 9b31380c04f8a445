using System.Runtime.InteropServices;
using Strata.X86.Tests.Floating;

namespace Strata.X86.Interpreter.Tests.Simd;

/// <summary>
/// Contents of vector registers: random bits, integer edges of every element size, single and double precision floats,
/// short strings of few characters; neighbours are often equal or nearly so.
/// </summary>
internal sealed class SimdOperands(int seed)
{
    private readonly FloatOperands _floats = new(seed);

    public Random Random => _floats.Random;

    /// <summary>All exceptions masked; random rounding, DAZ, FTZ and sticky flags.</summary>
    public uint NextMxcsr() => _floats.NextMxcsr() | (Random.Next(2) == 0 ? 0 : (uint)Random.Next(64));

    public void FillVectors(Span<ulong> values)
    {
        int kind = Random.Next(6);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = i >= 2 && Random.Next(5) == 0 ? values[i - 2] : Next(kind, i >= 2 ? values[i - 2] : 0);
        }
    }

    private ulong Next(int kind, ulong previous)
    {
        switch (kind)
        {
            case 0:
                return ((ulong)Random.NextInt64() << 1) ^ (ulong)Random.Next(2);
            case 1:
                return Edges();
            case 2 or 3:
                return _floats.Near32((uint)previous) | ((ulong)_floats.Near32((uint)(previous >> 32)) << 32);
            case 4:
                return _floats.Near64(previous);
            default:
                return Characters();
        }
    }

    /// <summary>Small numbers (shift counts, indices) or extreme elements.</summary>
    private ulong Edges()
    {
        if (Random.Next(4) == 0)
        {
            return (ulong)Random.Next(140);
        }

        ulong value = 0;
        Span<byte> bytes = MemoryMarshal.AsBytes(new Span<ulong>(ref value));
        int size = 1 << Random.Next(4);
        for (int i = 0; i < 8; i += size)
        {
            ulong element = Random.Next(6) switch
            {
                0 => 0,
                1 => ulong.MaxValue,
                2 => 1UL << ((8 * size) - 1),
                3 => (1UL << ((8 * size) - 1)) - 1,
                4 => (ulong)Random.NextInt64(),
                _ => 1,
            };
            for (int k = 0; k < size; k++)
            {
                bytes[i + k] = (byte)(element >> (8 * k));
            }
        }

        return value;
    }

    private ulong Characters()
    {
        ulong value = 0;
        int zeros = Random.Next(3);
        for (int i = 0; i < 8; i++)
        {
            bool zero = zeros == 0 && Random.Next(8) == 0;
            value |= (zero ? 0UL : (ulong)("abcz"[Random.Next(4)] + (Random.Next(16) == 0 ? 0x80 : 0))) << (8 * i);
        }

        return Random.Next(3) == 0 ? value & 0x00FF00FF00FF00FF : value;
    }
}
