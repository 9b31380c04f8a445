using Strata.X86.Paging;
using Strata.X86.Translator.Blocks;

namespace Strata.X86.Translator.Cache;

/// <summary>
/// Tags that keep the jump table's entries of different address spaces, privileges and modes apart: a number in the upper 16 bits for
/// each epoch of the TLB, whose change so makes all older entries unreachable. Below it, above the 32 bits of an address, stands the
/// number of the code segment, where code has one.
/// </summary>
internal sealed unsafe class Salts(TranslationCache cache, Tlb tlb)
{
    /// <summary>Numbers that fit above the 48 bits of a RIP, with a bit for the privilege and one for the mode.</summary>
    private const ulong PerRound = 16383;

    /// <summary>Where a tag has the number of a code segment.</summary>
    public const int SegmentShift = 32;

    private Entry _user = new() { Epoch = ulong.MaxValue };
    private Entry _user32 = new() { Epoch = ulong.MaxValue };
    private Entry _supervisor = new() { Epoch = ulong.MaxValue };
    private Entry _supervisor32 = new() { Epoch = ulong.MaxValue };
    private ulong _round;

    /// <summary>The salt of the current address space.</summary>
    /// <param name="segment">The code segment's number, <see cref="CodeSegments"/>; 0 in flat code.</param>
    /// <param name="jumps">Where its part of the jump table starts.</param>
    public ulong Of(bool user, CodeMode mode, ushort segment, out JumpEntry* jumps)
    {
        ulong epoch = user ? tlb.UserCodeEpoch : tlb.SupervisorCodeEpoch;
        bool is32 = mode != CodeMode.Code64;
        ref Entry entry = ref user ? ref is32 ? ref _user32 : ref _user : ref is32 ? ref _supervisor32 : ref _supervisor;
        if (entry.Epoch != epoch)
        {
            Renew(ref entry, epoch, (user ? 1UL : 0) | (is32 ? 2UL : 0));
        }

        jumps = entry.Jumps;
        return entry.Salt | ((ulong)segment << SegmentShift);
    }

    /// <summary>Whether an entry of the jump table with this tag can be found in the current address space.</summary>
    public bool IsCurrent(ulong tag)
    {
        const int highestBit = 47;
        const int saltBits = 48;
        ulong number = tag >> saltBits;
        number ^= (tag & (1UL << highestBit)) == 0 ? 0UL : ushort.MaxValue; // the RIP's upper half, which is all ones there
        return number == _user.Salt >> saltBits || number == _supervisor.Salt >> saltBits
            || number == _user32.Salt >> saltBits || number == _supervisor32.Salt >> saltBits;
    }

    private void Renew(ref Entry entry, ulong epoch, ulong kind)
    {
        (ulong round, ulong number) = Math.DivRem(epoch, PerRound);
        if (round != _round)
        {
            _round = round; // numbers repeat now
            cache.JumpTable.Clear();
            cache.UnlinkAcross();
        }

        // Never zero: the tag of an empty entry, zero, then stands for no canonical RIP.
        entry.Epoch = epoch;
        entry.Salt = (((number + 1) * 4) + kind) << 48;
        entry.Jumps = cache.JumpTable.First + (int)((entry.Salt * 0x9E37_79B9_7F4A_7C15) >> (64 - JumpEntry.CountBits));
    }

    private struct Entry
    {
        public ulong Epoch;
        public ulong Salt;
        public JumpEntry* Jumps;
    }
}
