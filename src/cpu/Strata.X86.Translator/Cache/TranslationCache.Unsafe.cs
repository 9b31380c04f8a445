using System.Runtime.InteropServices;
using Strata.Core.Memory;
using Strata.Core.Posix;
using Strata.X86.Paging;
using Strata.X86.Translator.Blocks;
using Strata.X86.Translator.Emit;

namespace Strata.X86.Translator.Cache;

/// <summary>
/// Translated blocks of one vCPU, their sites and the jump table. Keyed by host page (which stands for the physical page), RIP and mode.
/// Bounded: when the buffer is full everything is dropped. Only the vCPU's thread touches it.
/// </summary>
internal sealed unsafe partial class TranslationCache : IDisposable
{
    private const ulong CodeSize = 128 << 20;
    private const int MaxSites = 4 << 20;
    private const int MaxBlocks = 1 << 20;
    private const int BucketBits = 19;

    /// <summary>The site behind a SYSCALL or SYSRET whose target the jump table does not know; it outlives every reset.</summary>
    public const int ArrivalSite = 0;

    /// <summary>The site behind the head of a dropped block, see <see cref="Drop"/>.</summary>
    public const int DroppedSite = 1;

    private const int FixedSites = 2;

    private const ulong PageOffset = 0xFFF;

    /// <summary>The fixed sites' block: without instructions, and never found.</summary>
    private const int FixedBlocks = 1;

    private readonly TranslatorOptions _options;
    private readonly int _vcpu;
    private readonly byte* _code;
    private readonly Site* _sites;
    private readonly TranslatedBlock* _blocks;
    private readonly TranslatedBlock** _buckets;
    private readonly Dictionary<nint, PageBlocks> _pages = [];
    private readonly Dictionary<nint, List<nint>> _dependents = [];
    private readonly BlockTranslator _translator;

    /// <summary>Of code, sites and blocks, where there is code to be taken over; else empty.</summary>
    private readonly MemoryAhead[] _ahead = [];
    private byte* _at;
    private int _siteCount;
    private int _blockCount;
    private long _resets;

    /// <param name="vcpu">Whose cache it is, for traces.</param>
    /// <param name="tlb">The vCPU's.</param>
    /// <param name="ram">Where the guest's page tables and pages are; null if there is no RAM.</param>
    /// <param name="segments">The vCPU's.</param>
    public TranslationCache(TranslatorOptions options, int vcpu, TlbLayout tlb, RamWindows? ram, CodeSegments segments)
    {
        Segments = segments;
        _options = options;
        _vcpu = vcpu;

        // SAFETY: all released in Dispose; indexes into them are bounded by the constants above.
        _code = (byte*)HostMapping.ReserveExecutable(CodeSize);
        _sites = (Site*)HostMapping.Reserve((ulong)MaxSites * (ulong)sizeof(Site));
        _blocks = (TranslatedBlock*)HostMapping.Reserve((ulong)MaxBlocks * (ulong)sizeof(TranslatedBlock));
        _buckets = (TranslatedBlock**)NativeMemory.AllocZeroed(1 << BucketBits, (nuint)sizeof(TranslatedBlock*));
        _sites[ArrivalSite] = _sites[DroppedSite] = new Site { Kind = SiteKind.Dispatch, Block = _blocks };
        _siteCount = FixedSites;
        _blockCount = FixedBlocks;
        Stubs = new Stubs(_code, tlb, ram, _sites, JumpTable.Second, options.IsOnlyProcessor, isSegmented: false);
        SegmentedStubs = new Stubs(_code + Stubs.Size, tlb, ram, _sites, JumpTable.Second, options.IsOnlyProcessor, isSegmented: true);
        _at = _code + (2 * Stubs.Size);
        _translator = new BlockTranslator(this);
        options.PerfMap?.Add(_code, Stubs.End, "stubs");
        if (options.Kept is not null)
        {
            _ahead =
            [
                new MemoryAhead((nint)_code, CodeSize, ReadGate, () => IsDisposed),
                new MemoryAhead((nint)_sites, (ulong)MaxSites * (ulong)sizeof(Site), ReadGate, () => IsDisposed),
                new MemoryAhead((nint)_blocks, (ulong)MaxBlocks * (ulong)sizeof(TranslatedBlock), ReadGate, () => IsDisposed),
            ];
            ReachAhead();
        }
    }

    public bool ExactFlags => _options.ExactFlags;

    public bool CountInstructions => _options.CountInstructions;

    public bool IsOnlyProcessor => _options.IsOnlyProcessor;

    public Stubs Stubs { get; }

    /// <summary>Those of code with segments.</summary>
    public Stubs SegmentedStubs { get; }

    public CodeSegments Segments { get; }

    public JumpTable JumpTable { get; } = new();

    public long BlocksTranslated { get; private set; }

    /// <summary>Bytes of guest code in the blocks translated so far.</summary>
    public long GuestBytes { get; private set; }

    /// <summary>Times everything was dropped because a buffer was full.</summary>
    public long Resets => Volatile.Read(ref _resets);

    /// <summary>Changes whenever blocks are dropped: a site from before may belong to a dropped block.</summary>
    public long Generation { get; private set; }

    public long CodeBytes => _at - _code;

    public Site* SiteAt(uint index) => _sites + index;

    public int AddSite(Site site)
    {
        _sites[_siteCount] = site;
        return _siteCount++;
    }

    /// <summary>The block for a RIP in a page, or null.</summary>
    /// <param name="apart">The block in which every access has a check of its own.</param>
    /// <param name="segment">The code segment, or 0.</param>
    public TranslatedBlock* Find(byte* hostPage, ulong rip, CodeMode mode, ushort segment, bool omitsLocks, bool apart)
    {
        bool isRelative = IsElsewhere(hostPage, rip, mode);
        return Find(hostPage, isRelative ? rip & PageOffset : rip, isRelative, mode, segment, omitsLocks, apart);
    }

    /// <summary>Whether there is a block for a RIP that a block could be linked to.</summary>
    public bool IsTranslated(TranslatedBlock* from, ulong rip) =>
        Find(from->HostPage, rip, from->IsRelative, from->Mode, from->Segment, from->OmitsLocks, from->IsApart) != null;

    private TranslatedBlock* Find(
        byte* hostPage, ulong key, bool isRelative, CodeMode mode, ushort segment, bool omitsLocks, bool apart)
    {
        for (TranslatedBlock* block = _buckets[Bucket(hostPage, key)]; block != null; block = block->NextInBucket)
        {
            if (block->Rip == key && block->IsRelative == isRelative && block->HostPage == hostPage && block->Mode == mode
                && block->OmitsLocks == omitsLocks && block->IsApart == apart && block->Segment == segment)
            {
                return block;
            }
        }

        return null;
    }

    /// <summary>Translates the code at a RIP. The page must be tracked for writes already.</summary>
    /// <param name="secondPage">The host page behind it, for an instruction that crosses; may be null elsewhere.</param>
    /// <param name="registers">The guest's registers RAX..R15 now: hints.</param>
    /// <param name="apart">See <see cref="Find(byte*, ulong, CodeMode, ushort, bool, bool)"/>.</param>
    public TranslatedBlock* Translate(
        byte* hostPage, ulong rip, CodeMode mode, ushort segment, bool omitsLocks, bool apart, byte* secondPage, ulong* registers)
    {
        TranslatedBlock* block = Emit(
            hostPage, rip, mode, segment, omitsLocks, apart, secondPage, registers, BlockTranslator.MaxInstructions);
        uint bucket = Bucket(hostPage, rip);
        block->NextInBucket = _buckets[bucket];
        _buckets[bucket] = block;
        ref PageBlocks blocks = ref CollectionsMarshal.GetValueRefOrAddDefault(_pages, (nint)hostPage, out bool exists);
        block->NextInPage = (TranslatedBlock*)blocks.First;
        blocks = new PageBlocks((nint)block, exists ? blocks.Base : rip & ~PageOffset);
        if (block->SecondPage != null)
        {
            AddDependent(block->SecondPage, hostPage);
        }

        BlocksTranslated++;
        return block;
    }

    /// <summary>
    /// Translates the first instructions of a block, to be executed once: nobody finds the translation later. With a check for each
    /// access: shared ones could lead to the whole block again.
    /// </summary>
    public byte* TranslatePart(
        byte* hostPage, ulong rip, CodeMode mode, ushort segment, bool omitsLocks, ulong* registers, int count) =>
        Emit(hostPage, rip, mode, segment, omitsLocks, apart: true, null, registers, count)->Entry;

    private TranslatedBlock* Emit(
        byte* hostPage,
        ulong rip,
        CodeMode mode,
        ushort segment,
        bool omitsLocks,
        bool apart,
        byte* secondPage,
        ulong* registers,
        int limit)
    {
        const int worst = (BlockTranslator.MaxInstructions + 2) * BlockEmitter.MaxBytesPerInstruction;
        if (_at + worst > _code + CodeSize || _siteCount + (8 * BlockTranslator.MaxInstructions) > MaxSites || _blockCount == MaxBlocks)
        {
            Clear();
        }

        TranslatedBlock* block = _blocks + _blockCount++;
        bool isRelative = IsElsewhere(hostPage, rip, mode);
        *block = new TranslatedBlock
        {
            Rip = isRelative ? rip & PageOffset : rip,
            IsRelative = isRelative,
            Mode = mode,
            Segment = segment,
            OmitsLocks = omitsLocks,
            IsApart = apart,
            HostPage = hostPage,
            SecondPage = secondPage,
            Entry = _at,
            FirstSite = _siteCount,
        };
        byte* end = _translator.Translate(_at, block, registers, limit, out int guestBytes);
        block->SiteCount = (ushort)(_siteCount - block->FirstSite);
        block->CodeBytes = (ushort)(end - block->Entry);
        _options.Trace?.Write(_vcpu, block, guestBytes, end);
        _options.PerfMap?.Add(rip, block, end);
        _at = (byte*)(((nuint)end + 15) & ~(nuint)15);
        GuestBytes += guestBytes;
        return block;
    }

    /// <summary>Drops the blocks of a host page. Links within the page go with them, those from others are given up.</summary>
    public void Invalidate(byte* hostPage)
    {
        if (_dependents.Remove((nint)hostPage, out List<nint>? dependents))
        {
            foreach (nint page in dependents)
            {
                Drop((byte*)page);
            }
        }

        Drop(hostPage);
    }

    /// <summary>
    /// The jump table's entries for a block are forgotten where they are known. Where they are not, they lead to a block whose head leaves.
    /// </summary>
    private void Drop(byte* hostPage)
    {
        if (!_pages.Remove((nint)hostPage, out PageBlocks blocks))
        {
            return;
        }

        Generation++;
        UnlinkIncoming(hostPage);
        for (TranslatedBlock* block = (TranslatedBlock*)blocks.First; block != null; block = block->NextInPage)
        {
            Unchain(block);
            Forget(block->FirstJump, block);
            Forget(block->SecondJump, block);
            Volatile.Write(ref *(nint*)&block->HostPage, 0); // before its code changes: who captures code meanwhile looks at it
            if (block->HasManyJumps)
            {
                HostAssembler a = new(block->Entry); // shorter than any head
                a.Jump(block->Mode.IsSegmented() ? SegmentedStubs.Dropped : Stubs.Dropped);
            }

            block->Entry = null;
        }
    }

    public void Dispose()
    {
        lock (ReadGate)
        {
            IsDisposed = true;
            Release();
        }
    }

    private void Release()
    {
        _translator.Dispose();
        HostMapping.Release((nint)_code, CodeSize);
        HostMapping.Release((nint)_sites, (ulong)MaxSites * (ulong)sizeof(Site));
        HostMapping.Release((nint)_blocks, (ulong)MaxBlocks * (ulong)sizeof(TranslatedBlock));
        NativeMemory.Free(_buckets);
        JumpTable.Dispose();
    }

    private static uint Bucket(byte* hostPage, ulong rip) =>
        (uint)((((ulong)hostPage + (rip & PageOffset)) * 0x9E37_79B9_7F4A_7C15) >> (64 - BucketBits));

    /// <summary>
    /// Whether code of a page is executed at another address than where it was first: processes map a library wherever they like, and
    /// one translation then serves all but the first of them.
    /// </summary>
    private bool IsElsewhere(byte* hostPage, ulong rip, CodeMode mode) => !mode.IsSegmented()
        && (_options.AlwaysRelative || (_pages.TryGetValue((nint)hostPage, out PageBlocks blocks) && blocks.Base != (rip & ~PageOffset)));

    /// <summary>Notes that blocks of a page hold bytes of the page behind it.</summary>
    private void AddDependent(byte* secondPage, byte* hostPage)
    {
        if (!_dependents.TryGetValue((nint)secondPage, out List<nint>? pages))
        {
            _dependents[(nint)secondPage] = pages = [];
        }

        if (!pages.Contains((nint)hostPage))
        {
            pages.Add((nint)hostPage);
        }
    }

    private static void Forget(JumpEntry* entry, TranslatedBlock* block)
    {
        if (entry != null && entry->Target == block->Entry)
        {
            *entry = default;
        }
    }

    private void Unchain(TranslatedBlock* block)
    {
        TranslatedBlock** place = _buckets + Bucket(block->HostPage, block->Rip);
        while (*place != block)
        {
            place = &(*place)->NextInBucket;
        }

        *place = block->NextInBucket;
    }

    /// <param name="First">The block that was translated last.</param>
    /// <param name="Base">Linear address at which the page was first executed.</param>
    private readonly record struct PageBlocks(nint First, ulong Base);

    /// <summary>Drops everything.</summary>
    public void Clear()
    {
        _resets++; // before anything is overwritten: who reads the cache meanwhile sees it
        Generation++;
        _pages.Clear();
        _dependents.Clear();
        _incoming.Clear();
        NativeMemory.Clear(_buckets, (nuint)sizeof(TranslatedBlock*) << BucketBits);
        JumpTable.Clear();
        _at = _code + (2 * Stubs.Size);
        _siteCount = FixedSites;
        _blockCount = FixedBlocks;
    }
}
