using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>Random integers with a bias to the values at which instructions go wrong. Reproducible from its seed.</summary>
internal sealed class IntegerOperands(int seed)
{
    private ulong _previous;

    public Random Random { get; } = new(seed);

    /// <summary>Any value of 64 bits: extremes of each width, powers of two, small numbers, the previous value, noise.</summary>
    public ulong Next()
    {
        ulong noise = (ulong)Random.NextInt64() ^ ((ulong)Random.NextInt64() << 32);
        int bits = 8 << Random.Next(4);
        _previous = Random.Next(10) switch
        {
            0 => (ulong)Random.Next(4) - 2,
            1 => (1UL << (bits - 1)) + (ulong)Random.Next(3) - 1,
            2 => (ulong.MaxValue >> (64 - bits)) + (ulong)Random.Next(3) - 1,
            3 => 1UL << Random.Next(64),
            4 => (ulong)(Random.Next(80) + (Random.Next(80) << 8)), // start and length of BEXTR, counts
            5 => _previous,
            6 => ~_previous + (ulong)Random.Next(2),
            7 => noise & (ulong.MaxValue << Random.Next(64)),
            8 => noise >> Random.Next(64),
            _ => noise,
        };
        return _previous;
    }

    /// <summary>The arithmetic flags, each set or not, and what is always set in user mode.</summary>
    public ulong NextFlags() => RFlags.Reserved1 | RFlags.IF | ((ulong)Random.Next(0x1000) & RFlags.Arithmetic);
}
