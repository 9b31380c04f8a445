using System.Numerics;

namespace Strata.X86.Apic;

/// <summary>
/// A bit for each of the 256 vectors: the IRR, the ISR and the TMR. Intel SDM Vol. 3A, "IRR, ISR, and TMR Registers". Not
/// synchronized: under the APIC's lock.
/// </summary>
internal sealed class VectorSet
{
    private readonly uint[] _words = new uint[8];

    /// <summary>The highest vector, which has the highest priority; -1 if there is none.</summary>
    public int Highest
    {
        get
        {
            for (int i = _words.Length - 1; i >= 0; i--)
            {
                if (_words[i] != 0)
                {
                    return (i * 32) + 31 - BitOperations.LeadingZeroCount(_words[i]);
                }
            }

            return -1;
        }
    }

    /// <summary>32 vectors as one register shows them.</summary>
    /// <param name="index">0 to 7.</param>
    public uint Word(int index) => _words[index];

    public bool Contains(int vector) => (_words[vector >> 5] & Bit(vector)) != 0;

    /// <summary>Whether a vector is there and no other is.</summary>
    public bool IsOnly(int vector)
    {
        for (int i = 0; i < _words.Length; i++)
        {
            if (_words[i] != (i == vector >> 5 ? Bit(vector) : 0))
            {
                return false;
            }
        }

        return true;
    }

    public void Add(int vector) => _words[vector >> 5] |= Bit(vector);

    public void Remove(int vector) => _words[vector >> 5] &= ~Bit(vector);

    public void Set(int vector, bool value)
    {
        if (value)
        {
            Add(vector);
        }
        else
        {
            Remove(vector);
        }
    }

    /// <summary>A copy of the eight words.</summary>
    public uint[] ToArray() => [.. _words];

    public void Load(uint[] words) => words.CopyTo(_words, 0);

    public void Clear() => Array.Clear(_words);

    private static uint Bit(int vector) => 1u << (vector & 31);
}
