using System.Numerics;
using System.Runtime.CompilerServices;
using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>
/// The six arithmetic flags, held as the last result and a word of carries, and computed only when something reads them.
/// <para><c>Result</c> is the result sign-extended to 64 bits. <c>Aux</c>:</para>
/// <code>
///  63  62  61..16  15..8         7..4  3   2..1  0
/// |CF |CI |  0   | parity delta |  0 | AF |  0  | sign delta |
/// </code>
/// CI is the carry into the top bit, so OF = CF ^ CI. The deltas are exclusive-ored into SF and the parity byte; they are
/// needed only when flags are loaded from a register. ZF = (Result == 0), which no delta touches.
/// </summary>
public static class LazyFlags
{
    private const long CarryBits = unchecked((long)0xC000_0000_0000_0000);
    private const ulong QuadKeep = 0xC000_0000_0000_0008;

    /// <summary>
    /// Aux of an addition <paramref name="a"/> + <paramref name="b"/> (+ carry) = <paramref name="r"/> of <paramref name="bits"/> bits.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Add(ulong a, ulong b, ulong r, int bits) => Pack((a & b) | ((a | b) & ~r), bits);

    /// <summary>Aux of a subtraction <paramref name="a"/> - <paramref name="b"/> (- borrow) = <paramref name="r"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Sub(ulong a, ulong b, ulong r, int bits) => Pack((~a & b) | ((~a | b) & r), bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Carry(long aux) => aux < 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Overflow(long aux) => (aux ^ (aux << 1)) < 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Sign(long result, long aux) => (result ^ (aux << 63)) < 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Parity(long result, long aux) => (BitOperations.PopCount((uint)(result ^ (aux >> 8)) & 0xFF) & 1) == 0;

    /// <summary>SF != OF: the "less" condition.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Less(long result, long aux) => (result ^ (aux << 63) ^ aux ^ (aux << 1)) < 0;

    /// <summary>The same flags with another carry; OF stays. For INC, DEC, CMC, STC and CLC.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long WithCarry(long aux, bool carry) => Carry(aux) == carry ? aux : aux ^ CarryBits;

    /// <summary>Aux with CF and OF as given and the rest clear: what shifts, rotates and multiplications produce.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long FromCarryOverflow(bool carry, bool overflow) =>
        (carry ? long.MinValue : 0) | (carry != overflow ? 1L << 62 : 0);

    /// <summary>The six flags at their RFLAGS positions.</summary>
    public static ulong ToRflags(long result, long aux)
    {
        ulong flags = (ulong)((aux & 8) << 1);
        flags |= Carry(aux) ? RFlags.CF : 0;
        flags |= Overflow(aux) ? RFlags.OF : 0;
        flags |= Sign(result, aux) ? RFlags.SF : 0;
        flags |= result == 0 ? RFlags.ZF : 0;
        flags |= Parity(result, aux) ? RFlags.PF : 0;
        return flags;
    }

    /// <summary>A pair that stands for the six flags of <paramref name="rflags"/>.</summary>
    public static (long Result, long Aux) FromRflags(ulong rflags)
    {
        long result = (rflags & RFlags.ZF) != 0 ? 0 : 0x100;
        ulong aux = (ulong)FromCarryOverflow((rflags & RFlags.CF) != 0, (rflags & RFlags.OF) != 0);
        aux |= (rflags & RFlags.AF) >> 1;
        aux |= (rflags & RFlags.PF) != 0 ? 0UL : 0x100UL;
        aux |= (rflags & RFlags.SF) != 0 ? 1UL : 0UL;
        return (result, (long)aux);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Pack(ulong carries, int bits) =>
        bits == 64 ? (long)(carries & QuadKeep) : (long)((carries << (64 - bits)) | (carries & 8));
}
