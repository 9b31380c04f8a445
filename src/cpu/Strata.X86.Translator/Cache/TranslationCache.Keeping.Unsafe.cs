using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Strata.X86.Translator.Blocks;
using Strata.X86.Translator.Emit;
using Strata.X86.Translator.Keeping;

namespace Strata.X86.Translator.Cache;

/// <content>Blocks that another cache made: see <see cref="KeptBlock"/> for their form.</content>
internal sealed unsafe partial class TranslationCache
{
    private const int MostSitesOfBlock = 4096;

    /// <summary>Held while another thread reads the cache, and while its memory goes.</summary>
    public Lock ReadGate { get; } = new();

    public bool IsDisposed { get; private set; }

    public int BlockCount => _blockCount;

    public TranslatedBlock* BlockAt(int index) => _blocks + index;

    /// <summary>Whether nothing was translated of a page, or nothing is left of it.</summary>
    public bool IsEmpty(byte* hostPage) => !_pages.ContainsKey((nint)hostPage);

    /// <summary>Whether bytes of code that another thread was told of lie in the buffer.</summary>
    public bool IsCode(byte* at, int bytes) => at >= _code + (2 * Stubs.Size) && bytes > 0 && at + bytes <= _code + CodeSize;

    public static bool IsSites(int first, int count) => first >= 0 && count >= 0 && first <= MaxSites - count;

    /// <summary>
    /// Takes over the blocks of a page that has none. The page must be tracked for writes already, and be what the record was made from.
    /// </summary>
    /// <param name="record">Kept code.</param>
    /// <returns>How many blocks; zero if they do not fit, or the record is none: then nothing has changed.</returns>
    public int TakeOver(byte* hostPage, ReadOnlySpan<byte> record)
    {
        byte* at = _at;
        int sites = _siteCount;
        int first = _blockCount;
        if (!TryPlace(hostPage, record, out ulong pageBase) || _blockCount == first || !TryLink(first, sites))
        {
            _at = at;
            _siteCount = sites;
            _blockCount = first;
            return 0;
        }

        nint last = 0;
        for (int i = first; i < _blockCount; i++)
        {
            TranslatedBlock* block = _blocks + i;
            uint bucket = Bucket(hostPage, block->Rip);
            block->NextInBucket = _buckets[bucket];
            _buckets[bucket] = block;
            block->NextInPage = (TranslatedBlock*)last;
            last = (nint)block;
        }

        _pages[(nint)hostPage] = new PageBlocks(last, pageBase);
        ReachAhead();
        return _blockCount - first;
    }

    private void ReachAhead()
    {
        if (_ahead.Length != 0)
        {
            _ahead[0].Reach((nint)_at);
            _ahead[1].Reach((nint)(_sites + _siteCount));
            _ahead[2].Reach((nint)(_blocks + _blockCount));
        }
    }

    /// <summary>Copies blocks, code and sites to where new ones go; nobody finds them yet.</summary>
    private bool TryPlace(byte* hostPage, ReadOnlySpan<byte> record, out ulong pageBase)
    {
        if (!MemoryMarshal.TryRead(record, out pageBase) || (pageBase & PageOffset) != 0)
        {
            return false;
        }

        record = record[sizeof(ulong)..];
        while (!record.IsEmpty)
        {
            if (!MemoryMarshal.TryRead(record, out KeptBlock kept) || !IsPlausible(kept))
            {
                return false;
            }

            record = record[sizeof(KeptBlock)..];
            int siteBytes = kept.Sites * sizeof(KeptSite);
            bool fits = _at + kept.CodeBytes + 16 <= _code + CodeSize && _siteCount + kept.Sites <= MaxSites && _blockCount < MaxBlocks;
            if (!fits || record.Length < kept.CodeBytes + siteBytes || !TryPlace(hostPage, pageBase, kept, record[..kept.CodeBytes],
                MemoryMarshal.Cast<byte, KeptSite>(record.Slice(kept.CodeBytes, siteBytes))))
            {
                return false;
            }

            record = record[(kept.CodeBytes + siteBytes)..];
        }

        return true;
    }

    private static bool IsPlausible(in KeptBlock kept) =>
        kept.Offset <= PageOffset && kept.CodeBytes != 0 && kept.LinkEntry < kept.CodeBytes && kept.ForwardEntry < kept.CodeBytes
        && kept.Sites <= MostSitesOfBlock && kept.Mode is CodeMode.Code64 or CodeMode.Code32
        && kept.Kind <= (KeptBlockKind.Relative | KeptBlockKind.OmitsLocks | KeptBlockKind.Apart)
            && kept.Count <= BlockTranslator.MaxInstructions;

    private bool TryPlace(byte* hostPage, ulong pageBase, in KeptBlock kept, ReadOnlySpan<byte> code, ReadOnlySpan<KeptSite> sites)
    {
        TranslatedBlock* block = _blocks + _blockCount++;
        bool isRelative = (kept.Kind & KeptBlockKind.Relative) != 0;
        *block = new TranslatedBlock
        {
            Rip = isRelative ? kept.Offset : pageBase + kept.Offset,
            IsRelative = isRelative,
            Mode = kept.Mode,
            OmitsLocks = (kept.Kind & KeptBlockKind.OmitsLocks) != 0,
            IsApart = (kept.Kind & KeptBlockKind.Apart) != 0,
            HostPage = hostPage,
            Entry = _at,
            LinkEntry = _at + kept.LinkEntry,
            ForwardEntry = _at + kept.ForwardEntry,
            Count = kept.Count,
            CodeBytes = kept.CodeBytes,
            FirstSite = _siteCount,
            SiteCount = kept.Sites,
        };

        // SAFETY: the caller has seen that the code fits.
        code.CopyTo(new Span<byte>(_at, code.Length));
        _at = (byte*)(((nint)_at + code.Length + 15) & ~(nint)15);
        foreach (ref readonly KeptSite site in sites)
        {
            if (!TryPlace(block, site, code))
            {
                return false;
            }
        }

        return true;
    }

    private bool TryPlace(TranslatedBlock* block, in KeptSite kept, ReadOnlySpan<byte> code)
    {
        byte* stub = StubAddresses.Of(Stubs, kept.Stub);
        bool isPatched = kept.Kind is SiteKind.Link or SiteKind.Apart;
        bool isCross = kept.Kind == SiteKind.Cross;
        bool needsResume = isPatched || kept.Kind == SiteKind.Access;
        if (stub == null
            || !WayOut.IsAt(code, kept.Way)
            || kept.Kind > SiteKind.Cross
            || kept.Resume + (isPatched ? sizeof(int) : 0) > code.Length
            || (needsResume && kept.Resume == 0)
            || (isCross && (block->IsRelative || kept.Resume < HostAssembler.LinkNumberBefore || kept.Resume + sizeof(int) > code.Length)))
        {
            return false;
        }

        WayOut.Write(block->Entry, kept.Way, _siteCount, stub);
        _sites[_siteCount++] = new Site
        {
            Rip = (block->IsRelative ? 0 : block->Rip & ~PageOffset) + (isCross ? (ulong)(long)kept.StackUndo : kept.Offset),
            Resume = kept.Resume == 0 ? null : block->Entry + kept.Resume,
            Block = block,
            Kind = kept.Kind,
            IsWrite = (kept.Flags & KeptSiteFlags.Write) != 0,
            IsStack = (kept.Flags & KeptSiteFlags.Stack) != 0,
            IsAligned = (kept.Flags & KeptSiteFlags.Aligned) != 0,
            IsForward = (kept.Flags & KeptSiteFlags.Forward) != 0,
            Size = kept.Size,
            First = kept.First,
            FirstSize = kept.FirstSize,
            Code = kept.Code,
            Length = kept.Length,
            Completed = kept.Completed,
            StackUndo = isCross ? DetoursBeforeLink : kept.StackUndo,
            Way = kept.Way,
        };
        return true;
    }

    /// <summary>
    /// Branches to blocks that are taken over together lead there, the others to their way out, until the engine links them.
    /// </summary>
    /// <param name="firstBlock">Of those that are taken over.</param>
    /// <param name="firstSite">Theirs.</param>
    private bool TryLink(int firstBlock, int firstSite)
    {
        for (Site* site = _sites + firstSite; site < _sites + _siteCount; site++)
        {
            if (site->Kind is not (SiteKind.Link or SiteKind.Apart))
            {
                continue;
            }

            int number = site->Code; // of a kept branch
            site->Code = 0;
            bool isApart = site->Kind == SiteKind.Apart;
            TranslatedBlock* target = _blocks + firstBlock + number - 1;
            if (number > _blockCount - firstBlock || (number != 0 && !IsTarget(site, target)))
            {
                return false;
            }

            HostAssembler.Patch(site->Resume, number == 0 || (isApart && CountInstructions) ? site->Block->Entry + WayOut.StartOf(site->Way)
                : isApart || site->IsForward ? target->ForwardEntry
                : target->LinkEntry);
        }

        return true;
    }

    /// <summary>Whether the engine would link a branch to a block.</summary>
    private static bool IsTarget(Site* site, TranslatedBlock* target)
    {
        TranslatedBlock* from = site->Block;
        return target->Rip == site->Rip
            && target->IsRelative == from->IsRelative
            && target->Mode == from->Mode
            && target->OmitsLocks == from->OmitsLocks
            && target->IsApart == (site->Kind == SiteKind.Apart);
    }
}
