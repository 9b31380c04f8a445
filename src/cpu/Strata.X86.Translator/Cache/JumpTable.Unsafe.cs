using System.Runtime.InteropServices;
using Strata.Core.Posix;

namespace Strata.X86.Translator.Cache;

/// <summary>
/// Where translated code finds the code for a RIP. Of the first table each address space has a window, in which a RIP has one place: its
/// look-up is part of each dispatch. Programs with tens of thousands of targets have many that meet there; what finds its place taken
/// goes to the second table, with four places for each tag, where one stub looks (<see cref="Emit.DispatchStub"/>).
/// <para>Only the vCPU's thread touches it.</para>
/// </summary>
internal sealed unsafe class JumpTable : IDisposable
{
    /// <summary>Groups of the second table: together a huge page of the host.</summary>
    public const int GroupBits = 15;

    /// <summary>Places for each tag: with two, a few loops of large programs have three in turn, and each leaves.</summary>
    public const int Ways = 4;

    /// <summary>A tag's product with it, modulo 2^64, has the number of its group in the highest bits.</summary>
    public const ulong Multiplier = 0x9E37_79B9_7F4A_7C15;

    private const ulong FirstSize = JumpEntry.TableSize * (ulong)JumpEntry.Size;
    private const ulong SecondSize = (ulong)Ways * JumpEntry.Size << GroupBits;

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
        // SAFETY: the group's number has GroupBits.
        JumpEntry* group = GroupOf(tag);
        for (int i = 0; i < Ways; i++)
        {
            if (group[i].Tag == tag)
            {
                return group + i;
            }
        }

        return null;
    }

    /// <summary>Lets dispatches with a tag find a block.</summary>
    /// <param name="place">The tag's place in the first table.</param>
    public void Enter(JumpEntry* place, ulong tag, TranslatedBlock* block, Salts salts)
    {
        // SAFETY: entries of the two tables.
        if (place->Tag != tag && salts.IsCurrent(place->Tag))
        {
            place = FindSecond(tag);
            place = place != null ? place : FreePlace(GroupOf(tag), salts);
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

    private JumpEntry* GroupOf(ulong tag) => Second + (Ways * (int)((tag * Multiplier) >> (64 - GroupBits)));

    /// <summary>A place of a group that nobody finds any more; if there is none, one after the other.</summary>
    private JumpEntry* FreePlace(JumpEntry* group, Salts salts)
    {
        for (int i = 0; i < Ways; i++)
        {
            if (!salts.IsCurrent(group[i].Tag))
            {
                return group + i;
            }
        }

        _next = (_next + 1) & (Ways - 1);
        return group + _next;
    }

    /// <summary>Whether a block's note of an entry can be used for another one.</summary>
    private static bool IsOwnOrFree(JumpEntry* noted, JumpEntry* place, TranslatedBlock* block) =>
        noted == null || noted == place || noted->Target != block->Entry;
}
