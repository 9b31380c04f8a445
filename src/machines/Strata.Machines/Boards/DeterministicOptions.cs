using System.Buffers.Binary;
using Strata.Core.Time;
using Strata.X86.Execution;

namespace Strata.Machines.Boards;

/// <summary>
/// What makes a machine do the same in every run: its owner runs the processors, one after another on one thread, and moves time;
/// devices act at the instruction that asks them to; random numbers come from a seed.
/// </summary>
public sealed class DeterministicOptions
{
    private ulong _random;

    /// <param name="seed">Of all random numbers that the guest gets.</param>
    public DeterministicOptions(ulong seed) => _random = seed;

    /// <summary>The machine's time; its owner advances it between instructions.</summary>
    public ManualClock Clock { get; } = new();

    /// <summary>Makes the processors' engines; null for those that the board's options name.</summary>
    public Func<X86CpuWiring, IX86Engine>? CreateEngine { get; init; }

    /// <summary>The next random number of the machine: SplitMix64.</summary>
    public ulong NextRandom()
    {
        ulong z = _random += 0x9E37_79B9_7F4A_7C15;
        z = (z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9;
        z = (z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB;
        return z ^ (z >> 31);
    }

    /// <summary>Fills bytes from <see cref="NextRandom"/>.</summary>
    public void Fill(Span<byte> bytes)
    {
        Span<byte> word = stackalloc byte[sizeof(ulong)];
        for (int at = 0; at < bytes.Length; at += sizeof(ulong))
        {
            BinaryPrimitives.WriteUInt64LittleEndian(word, NextRandom());
            word[..Math.Min(word.Length, bytes.Length - at)].CopyTo(bytes[at..]);
        }
    }
}
