using System.Diagnostics;
using Strata.Core.Memory;
using Strata.X86.Execution;
using Strata.X86.Translator.Blocks;

namespace Strata.X86.Translator.Cache;

/// <summary>
/// Where the code for a RIP is, in the processor's present mode and address space: by the jump table, by the cache's blocks, or
/// translated now. On the vCPU's thread.
/// </summary>
internal sealed unsafe class BlockLookup(
    X86Cpu cpu, TranslationCache cache, Salts salts, TranslatorCounters counters, TranslatorOptions options)
{
    private const int LongestInstruction = 15;

    /// <summary>
    /// Where 32-bit code can start without going on at address 0: the last page is the interpreter's, as blocks of another mapping of the
    /// same bytes would lead to its end.
    /// </summary>
    private const ulong LastStart32 = uint.MaxValue - 0x1000;

    private readonly VcpuContext* _context = cpu.Context;
    private byte[] _record = [];

    public bool IsUser => (_context->Mode & ModeBits.User) != 0;

    /// <summary>LOCK prefixes of user code order nothing where there is no other processor.</summary>
    public bool OmitsLocks => options.IsOnlyProcessor && IsUser;

    public CodeMode Mode => CodeModes.Of(_context);

    /// <summary>The number of the code segment; 0 in flat code.</summary>
    public ushort Segment => cache.Segments.CurrentId;

    /// <summary>What tags of the current address space, privilege and mode have.</summary>
    public ulong Salt => salts.Of(IsUser, Mode, Segment, out _);

    /// <summary>Bits that RIP and linear addresses have in the current mode.</summary>
    public ulong RipMask => Mode == CodeMode.Code64 ? ulong.MaxValue : uint.MaxValue;

    /// <summary>Code for a RIP: by the jump table, or translated and put there.</summary>
    /// <returns>Null if there is no code in RAM: the interpreter sees to it.</returns>
    public byte* FindEntry(ulong rip)
    {
        ulong linear = ToLinear(rip);
        ulong tag = linear ^ salts.Of(IsUser, Mode, Segment, out JumpEntry* jumps);
        JumpEntry* entry = jumps + JumpEntry.IndexOf(linear);
        if (entry->Tag == tag || (entry = cache.JumpTable.FindSecond(tag)) != null)
        {
            return entry->Target;
        }

        TranslatedBlock* block = Find(rip);
        if (block == null)
        {
            return null;
        }

        tag = linear ^ salts.Of(IsUser, Mode, Segment, out jumps); // translation may have changed it
        cache.JumpTable.Enter(jumps + JumpEntry.IndexOf(linear), tag, block, salts);
        NotePage(linear, block->HostPage);
        if (block->SecondPage != null)
        {
            NotePage(NextPage(linear), block->SecondPage);
        }

        return block->Entry;
    }

    private void NotePage(ulong linear, byte* page)
    {
        if (IsUser)
        {
            cpu.Tlb.NoteUserCodePage(linear, page);
        }
        else
        {
            cpu.Tlb.NoteCodePage(linear);
        }
    }

    /// <summary>A dispatch has come to a block that was dropped: the next one shall find another.</summary>
    public void ForgetEntry(ulong rip)
    {
        ulong linear = ToLinear(rip);
        ulong tag = linear ^ salts.Of(IsUser, Mode, Segment, out JumpEntry* jumps);
        cache.JumpTable.Forget(jumps + JumpEntry.IndexOf(linear), tag);
    }

    /// <summary>The block for a RIP, found or made.</summary>
    /// <param name="apart">The block in which every access has a check of its own.</param>
    /// <returns>Null if a page of it is not there, or not the one it was made from: the interpreter sees to it.</returns>
    public TranslatedBlock* Find(ulong rip, bool apart = false)
    {
        CodeMode mode = Mode;
        ulong offset = rip;
        rip = ToLinear(rip);
        if (!cpu.IsCanonical(rip)
            || (mode != CodeMode.Code64 && (rip > LastStart32 || offset > LastStart32))
            || (mode.IsSegmented() && offset > _context->State.Cs.Limit)
            || !cpu.TryGetFetchPage(rip, out byte* page))
        {
            return null;
        }

        ushort segment = Segment;
        TranslatedBlock* block = cache.Find(page, rip, mode, segment, OmitsLocks, apart);
        if (block == null)
        {
            (GuestMemory? memory, ulong index) = MarkCode(page);
            if (memory != null
                && memory == options.Kept?.Memory
                && TryTakeOver(page, index)
                && (block = cache.Find(page, rip, mode, segment, OmitsLocks, apart)) != null)
            {
                return block;
            }

            byte* second = null;
            if ((rip & 0xFFF) > 0x1000 - LongestInstruction)
            {
                if (!cpu.TryGetFetchPage(NextPage(rip), out second))
                {
                    return null; // may cross into a page that is not there (yet): not for the cache
                }

                MarkCode(second);
            }

#pragma warning disable RS0030 // a figure about the host
            long start = Stopwatch.GetTimestamp();
#pragma warning restore RS0030
            block = cache.Translate(page, rip, mode, MakeRoom(segment), OmitsLocks, apart, second, _context->State.Gprs);
#pragma warning disable RS0030 // a figure about the host
            counters.TranslationTime += Stopwatch.GetElapsedTime(start);
#pragma warning restore RS0030
            counters.Blocks = cache.BlocksTranslated;
            counters.GuestBytes = cache.GuestBytes;
            counters.Resets = cache.Resets;
            counters.CodeBytes = cache.CodeBytes;
        }

        bool isWhole = block->SecondPage == null || (cpu.TryGetFetchPage(NextPage(rip), out byte* behind) && behind == block->SecondPage);
        return isWhole ? block : null;
    }

    /// <summary>The linear address of a RIP.</summary>
    public ulong ToLinear(ulong rip) => (rip + _context->CodeBase) & RipMask;

    /// <summary>The RIP of a linear address.</summary>
    public ulong ToRip(ulong linear) => (linear - _context->CodeBase) & RipMask;

    /// <summary>Where the numbers of code segments are used up, as only a guest that aims at it achieves, everything starts anew.</summary>
    private ushort MakeRoom(ushort segment)
    {
        if (!cache.Segments.IsFull)
        {
            return segment;
        }

        cache.Clear();
        cache.Segments.Clear();
        return Segment;
    }

    /// <summary>Where the page behind an address starts.</summary>
    private static ulong NextPage(ulong va) => (va | 0xFFF) + 1;

    /// <summary>Takes over what was kept of a page that has been marked, if it was made from the bytes that are there.</summary>
    private bool TryTakeOver(byte* page, ulong index)
    {
        if (!cache.IsEmpty(page))
        {
            return false;
        }

#pragma warning disable RS0030 // a figure about the host
        long start = Stopwatch.GetTimestamp();
#pragma warning restore RS0030

        // SAFETY: a page of the guest's RAM, which stays.
        int blocks = options.Kept!.Code.TryRead(
            index, new ReadOnlySpan<byte>(page, (int)GuestMemory.PageSize), ref _record, out ReadOnlySpan<byte> record)
            ? cache.TakeOver(page, record)
            : 0;
        counters.BlocksTakenOver += blocks;
        counters.PagesTakenOver += blocks == 0 ? 0 : 1;
        counters.CodeBytes = cache.CodeBytes;
#pragma warning disable RS0030 // a figure about the host
        counters.TakingOverTime += Stopwatch.GetElapsedTime(start);
#pragma warning restore RS0030
        return blocks != 0;
    }

    /// <returns>The page that it is; no memory if it is of none.</returns>
    private (GuestMemory? Memory, ulong Page) MarkCode(byte* hostPage)
    {
        foreach (GuestMemory memory in cpu.Memory.KnownMemories)
        {
            ulong offset = (ulong)(hostPage - memory.Base);
            if (offset < memory.Size)
            {
                memory.MarkCode(offset >> GuestMemory.PageShift);
                return (memory, offset >> GuestMemory.PageShift);
            }
        }

        return default;
    }
}
