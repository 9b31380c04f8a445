using System.Runtime.InteropServices;
using Strata.Core.Posix;

namespace Strata.X86.Translator.Cache;

/// <summary>
/// Where translated code finds the code for a RIP. Of the first table each address space has a window, in which a RIP has one place: its
/// look-up is part of each dispatch. Programs with tens of thousands of targets have many that meet there; what finds its place taken
/// goes to the second table, with two places for each tag, where one stub looks (<see cref="Emit.DispatchStub"/>).
/// <para>Only the vCPU's thread touches it.</para>
/// </summary>
internal sealed unsafe class JumpTable : IDisposable
{
    /// <summary>Pairs of the second table: together a huge page of the host.</summary>
    public const int PairBits = 16;

    public const int Ways = 2;

    /// <summary>A tag's product with it, modulo 2^64, has the number of its pair in the highest bits.</summary>
    public const ulong Multiplier = 0x9E37_79B9_7F4A_7C15;

    private const ulong FirstSize = JumpEntry.TableSize * (ulong)JumpEntry.Size;
    private const ulong SecondSize = (ulong)Ways * JumpEntry.Size << PairBits;

    private int _next;

    public JumpTable()
    {
        // SAFETY: released in Dispose; indexes into them are bounded by the constants above.
        First = (JumpEntry*)HostMapping.Reserve(FirstSize);
        Second = (JumpEntry*)HostMapping.Reserve(SecondSize);
        Clear();
    }

    public JumpEntry* First { get; }

    public JumpEntry* Second { get; }

    /// <summary>Where the second table has a tag; null if it has not.</summary>
    public JumpEntry* FindSecond(ulong tag)
    {
        // SAFETY: the pair's number has PairBits.
        JumpEntry* pair = PairOf(tag);
        return pair->Tag == tag ? pair : pair[1].Tag == tag ? pair + 1 : null;
    }

    /// <summary>Lets dispatches with a tag find a block.</summary>
    /// <param name="place">The tag's place in the first table.</param>
    public void Enter(JumpEntry* place, ulong tag, TranslatedBlock* block, Salts salts)
    {
        // SAFETY: entries of the two tables.
        if (place->Tag != tag && salts.IsCurrent(place->Tag))
        {
            JumpEntry* pair = PairOf(tag);
            place = IsFree(pair, tag, salts) ? pair : IsFree(pair + 1, tag, salts) ? pair + 1 : pair + (_next ^= 1);
        }

        place->Tag = tag;
        place->Target = block->Entry;
        if (IsOwnOrFree(block->FirstJump, place, block))
        {
            block->FirstJump = place;
        }
        else if (IsOwnOrFree(block->SecondJump, place, block))
        {
            block->SecondJump = place;
        }
        else
        {
            block->HasManyJumps = true;
        }
    }

    /// <summary>Forgets where a tag leads to.</summary>
    /// <param name="place">Its place in the first table.</param>
    public void Forget(JumpEntry* place, ulong tag)
    {
        // SAFETY: entries of the two tables.
        if (place->Tag == tag)
        {
            *place = default;
        }

        JumpEntry* second = FindSecond(tag);
        if (second != null)
        {
            *second = default;
        }
    }

    /// <summary>Forgets every jump, for when tags could repeat.</summary>
    public void Clear()
    {
        // SAFETY: their own sizes.
        NativeMemory.Clear(First, (nuint)FirstSize);
        NativeMemory.Clear(Second, (nuint)SecondSize);
    }

    public void Dispose()
    {
        HostMapping.Release((nint)First, FirstSize);
        HostMapping.Release((nint)Second, SecondSize);
    }

    private JumpEntry* PairOf(ulong tag) => Second + (Ways * (int)((tag * Multiplier) >> (64 - PairBits)));

    private static bool IsFree(JumpEntry* entry, ulong tag, Salts salts) => entry->Tag == tag || !salts.IsCurrent(entry->Tag);

    /// <summary>Whether a block's note of an entry can be used for another one.</summary>
    private static bool IsOwnOrFree(JumpEntry* noted, JumpEntry* place, TranslatedBlock* block) =>
        noted == null || noted == place || noted->Target != block->Entry;
}
