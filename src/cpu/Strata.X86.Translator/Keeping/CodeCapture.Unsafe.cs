using System.Runtime.InteropServices;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.X86.Translator.Blocks;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;

namespace Strata.X86.Translator.Keeping;

/// <summary>
/// A cache's blocks of a moment. Blocks and code are written once and stay where they are until the cache is cleared, which shows in its
/// resets; a block that is dropped loses its page. So they are read while the vCPU goes on, and links, which change, are left out.
/// </summary>
internal sealed unsafe class CodeCapture : ICodeCapture
{
    private readonly TranslationCache _cache;
    private readonly GuestMemory _memory;
    private readonly int _blockCount;
    private readonly long _resets;

    /// <summary>
    /// Numbers of blocks, those of a page behind each other; and where in them each page starts. Found at the first look.
    /// </summary>
    private int[]? _blocks;
    private int[] _starts = [];
    private (ulong Page, int Amount)[] _pages = [];

    /// <summary>
    /// Of the page that is being written: its blocks, their code and sites behind each other, and their numbers in the record.
    /// </summary>
    private readonly List<KeptBlock> _kept = [];
    private readonly List<byte> _code = [];
    private readonly List<KeptSite> _sites = [];
    private readonly Dictionary<(ulong Rip, KeptBlockKind Kind, CodeMode Mode), int> _numbers = [];

    /// <param name="cache">Of a vCPU that stands still.</param>
    public CodeCapture(TranslationCache cache, GuestMemory memory)
    {
        _cache = cache;
        _memory = memory;
        _blockCount = cache.BlockCount;
        _resets = cache.Resets;
    }

    public IReadOnlyList<(ulong Page, int Amount)> Pages
    {
        get
        {
            if (_blocks is null)
            {
                FindPages();
            }

            return _pages;
        }
    }

    public bool IsWhole
    {
        get
        {
            lock (_cache.ReadGate)
            {
                return IsThere;
            }
        }
    }

    public bool TryWrite(int index, Stream to)
    {
        ArgumentNullException.ThrowIfNull(to);
        _ = Pages;
        lock (_cache.ReadGate)
        {
            if (!IsThere)
            {
                return false;
            }

            ReadOnlySpan<int> blocks = _blocks.AsSpan(_starts[index], _pages[index].Amount);
            _kept.Clear();
            _code.Clear();
            _sites.Clear();
            _numbers.Clear();
            foreach (int block in blocks)
            {
                Read(_cache.BlockAt(block));
            }

            ulong pageBase = BaseOf(blocks);
            to.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(ref pageBase)));
            WriteBlocks(pageBase, to);
            return _kept.Count != 0;
        }
    }

    private bool IsThere => !_cache.IsDisposed && _cache.Resets == _resets;

    private void FindPages()
    {
        lock (_cache.ReadGate)
        {
            ulong[] keys = new ulong[_blockCount];
            _blocks = new int[_blockCount];
            int count = 0;
            for (int i = 0; i < _blockCount && !_cache.IsDisposed; i++)
            {
                TranslatedBlock* block = _cache.BlockAt(i);
                ulong offset = (ulong)(block->HostPage - _memory.Base); // of no page in this memory, if the block was dropped
                if (offset < _memory.Size && block->SecondPage == null && !block->Mode.IsSegmented())
                {
                    // of a page in the order of translation, so near each other
                    keys[count++] = ((offset >> GuestMemory.PageShift) << 32) | (uint)i;
                }
            }

            Array.Sort(keys, 0, count);
            List<(ulong Page, int Amount)> pages = [];
            List<int> starts = [];
            for (int i = 0; i < count; i++)
            {
                _blocks[i] = (int)(uint)keys[i];
                ulong page = keys[i] >> 32;
                if (i == 0 || page != pages[^1].Page)
                {
                    starts.Add(i);
                    pages.Add((page, 0));
                }

                pages[^1] = (page, pages[^1].Amount + 1);
            }

            _starts = [.. starts];
            _pages = [.. pages];
        }
    }

    /// <summary>Where the page was first executed: blocks that are not relative are of there.</summary>
    private ulong BaseOf(ReadOnlySpan<int> blocks)
    {
        foreach (int block in blocks)
        {
            if (!_cache.BlockAt(block)->IsRelative)
            {
                return _cache.BlockAt(block)->Rip & ~(ulong)GuestMemory.PageMask;
            }
        }

        return 0;
    }

    private void WriteBlocks(ulong pageBase, Stream to)
    {
        Span<byte> code = CollectionsMarshal.AsSpan(_code);
        Span<KeptSite> sites = CollectionsMarshal.AsSpan(_sites);
        foreach (ref KeptBlock block in CollectionsMarshal.AsSpan(_kept))
        {
            foreach (ref KeptSite site in sites[..block.Sites])
            {
                if (site.Kind is SiteKind.Link or SiteKind.Apart)
                {
                    site.Code = NumberOf(pageBase, block, site);
                }
            }

            to.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<KeptBlock>(ref block)));
            to.Write(code[..block.CodeBytes]);
            to.Write(MemoryMarshal.AsBytes(sites[..block.Sites]));
            code = code[block.CodeBytes..];
            sites = sites[block.Sites..];
        }
    }

    /// <summary>Which block of the record the engine would link a branch to; 0 for none.</summary>
    private ushort NumberOf(ulong pageBase, in KeptBlock from, in KeptSite site)
    {
        KeptBlockKind kind = (from.Kind & ~KeptBlockKind.Apart) | (site.Kind == SiteKind.Apart ? KeptBlockKind.Apart : 0);
        ulong rip = ((from.Kind & KeptBlockKind.Relative) != 0 ? 0 : pageBase) + site.Offset;
        return _numbers.TryGetValue((rip, kind, from.Mode), out int number) && number <= ushort.MaxValue ? (ushort)number : (ushort)0;
    }

    private void Read(TranslatedBlock* at)
    {
        TranslatedBlock block = *at;
        if (block.HostPage == null
            || !_cache.IsCode(block.Entry, block.CodeBytes)
            || !TranslationCache.IsSites(block.FirstSite, block.SiteCount))
        {
            return; // dropped
        }

        int codeStart = _code.Count;
        int siteStart = _sites.Count;

        // SAFETY: the range lies in the buffer, which stays as long as the gate is held.
        _code.AddRange(new ReadOnlySpan<byte>(block.Entry, block.CodeBytes));
        Span<byte> code = CollectionsMarshal.AsSpan(_code)[codeStart..];
        if (Volatile.Read(ref *(nint*)&at->HostPage) == 0)
        {
            _code.RemoveRange(codeStart, _code.Count - codeStart);
            return; // dropped meanwhile: its head may have changed
        }

        for (int i = 0; i < block.SiteCount; i++)
        {
            if (!TryRead(at, block, block.FirstSite + i, code, out KeptSite site))
            {
                _code.RemoveRange(codeStart, _code.Count - codeStart);
                _sites.RemoveRange(siteStart, _sites.Count - siteStart);
                return;
            }

            _sites.Add(site);
        }

        KeptBlockKind kind = (block.IsRelative ? KeptBlockKind.Relative : 0)
            | (block.OmitsLocks ? KeptBlockKind.OmitsLocks : 0)
            | (block.IsApart ? KeptBlockKind.Apart : 0);
        _kept.Add(new KeptBlock
        {
            Offset = (ushort)(block.Rip & GuestMemory.PageMask),
            CodeBytes = block.CodeBytes,
            LinkEntry = (ushort)(block.LinkEntry - block.Entry),
            ForwardEntry = (ushort)(block.ForwardEntry - block.Entry),
            Sites = block.SiteCount,
            Mode = block.Mode,
            Kind = kind,
            Count = block.Count,
        });
        _numbers[(block.Rip, kind, block.Mode)] = _kept.Count;
    }

    /// <summary>Reads a site, and clears in the code what depends on where it lies.</summary>
    private bool TryRead(TranslatedBlock* at, in TranslatedBlock block, int number, Span<byte> code, out KeptSite kept)
    {
        Site site = *_cache.SiteAt((uint)number);
        kept = default;
        if (site.Block != at || !WayOut.IsAt(code, site.Way))
        {
            return false;
        }

        (int writtenNumber, nint target) = WayOut.Read(code, site.Way, block.Entry);
        ulong offset = site.Rip - (block.IsRelative ? 0 : block.Rip & ~(ulong)GuestMemory.PageMask);
        bool isCross = site.Kind == SiteKind.Cross;
        if (isCross)
        {
            site.StackUndo = (int)offset; // instead of a count: the target's distance
            offset = 0;
        }

        long resume = site.Resume == null ? 0 : site.Resume - block.Entry;
        bool isPatched = isCross || site.Kind is SiteKind.Link or SiteKind.Apart;
        if (writtenNumber != number || StubAddresses.Find(_cache.Stubs, (byte*)target) is not { } stub || offset > GuestMemory.PageSize
            || resume < (isCross ? HostAssembler.LinkNumberBefore : 0) || resume + (isPatched ? sizeof(int) : 0) > code.Length)
        {
            return false;
        }

        WayOut.Clear(code, site.Way);
        if (isPatched)
        {
            code.Slice((int)resume, sizeof(int)).Clear();
        }

        if (isCross)
        {
            code.Slice((int)resume - HostAssembler.LinkNumberBefore, sizeof(int)).Clear();
        }

        kept = new KeptSite
        {
            Offset = (ushort)offset,
            Resume = (ushort)resume,
            Way = site.Way,
            Kind = site.Kind,
            Flags = (site.IsWrite ? KeptSiteFlags.Write : 0) | (site.IsStack ? KeptSiteFlags.Stack : 0)
                | (site.IsAligned ? KeptSiteFlags.Aligned : 0) | (site.IsForward ? KeptSiteFlags.Forward : 0),
            Stub = stub,
            Completed = site.Completed,
            Size = site.Size,
            First = site.First,
            FirstSize = site.FirstSize,
            Length = site.Length,
            Code = site.Code,
            StackUndo = site.StackUndo,
        };
        return true;
    }
}
