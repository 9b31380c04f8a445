using Strata.X86.Direct.Stub;

namespace Strata.X86.Direct.Spaces;

/// <summary>
/// A guest's address space as a stub has it: which pages are mapped, with which rights. Like a TLB, it may hold less than the guest's
/// tables
/// and never more. On the vCPU's thread.
/// </summary>
internal sealed class UserSpace(StubHost host, DirectCounters counters) : IDisposable
{
    /// <summary>To take away more than these the process is replaced.</summary>
    private const int ManyPages = 2000;

    /// <summary>Hosts let a process have 65,530 mappings by default (vm.max_map_count).</summary>
    private const int MostPages = 50_000;

    private readonly List<ulong> _gone = []; // only while pages are looked at, as the next
    private readonly List<(ulong Page, PageRights Rights)> _narrowed = [];
    private readonly Dictionary<ulong, MappedPage> _pages = [];
    private readonly Dictionary<ulong, ulong> _writable = []; // page of RAM to page of the address space
    private StubProcess? _stub;

    /// <summary>Pages that are mapped.</summary>
    public int Count => _pages.Count;

    /// <summary>The process; it is started when it is needed.</summary>
    /// <exception cref="DirectUnavailableException">The host refuses.</exception>
    public StubProcess Stub => _stub ??= Start();

    /// <param name="page">Number of a page of the address space.</param>
    public bool IsMapped(ulong page) => _pages.ContainsKey(page);

    /// <summary>Maps a run of pages that lie one behind the other in RAM as well. Rights that a page has are kept.</summary>
    public void Map(ulong page, ulong ramPage, ulong count, PageRights rights)
    {
        if (_pages.Count + (int)count > MostPages)
        {
            DropAll();
        }

        for (ulong i = 0; i < count; i++)
        {
            Note(page + i, ramPage + i, rights);
        }

        Stub.Map(page << 12, count << 12, _pages[page].Rights, ramPage << 12);
    }

    /// <summary>Slot of the TLB that it belongs to; -1 for none.</summary>
    public int Slot { get; set; } = -1;

    /// <summary>Every page is to be looked at before user code is executed again.</summary>
    public bool IsStale { get; set; }

    /// <summary>When it was used last: a number that grows.</summary>
    public long UsedAt { get; set; }

    /// <summary>
    /// Keeps of each page what is still right, so that programs that take turns need not ask for their pages again and again.
    /// </summary>
    /// <param name="find">What the guest's tables say of a page.</param>
    public void Revalidate(PageLookup find)
    {
        IsStale = false;
        _gone.Clear();
        _narrowed.Clear();
        foreach ((ulong page, MappedPage mapped) in _pages)
        {
            if (!find(page, out MappedPage found) || found.RamPage != mapped.RamPage)
            {
                _gone.Add(page);
            }
            else if ((mapped.Rights & ~found.Rights) != 0)
            {
                _narrowed.Add((page, mapped.Rights & found.Rights));
            }
        }

        if (_gone.Count > ManyPages)
        {
            Abandon(); // the host frees a process faster than as many ranges
            return;
        }

        TakeAway();
        Narrow();
    }

    private void TakeAway()
    {
        _gone.Sort();
        for (int i = 0; i < _gone.Count;)
        {
            int first = i;
            do
            {
                Remove(_gone[i]);
                i++;
            }
            while (i < _gone.Count && _gone[i] == _gone[i - 1] + 1);
            _stub?.Unmap(_gone[first] << 12, (ulong)(i - first) << 12);
        }
    }

    private void Narrow()
    {
        _narrowed.Sort();
        for (int i = 0; i < _narrowed.Count;)
        {
            int first = i;
            do
            {
                SetRights(_narrowed[i].Page, _narrowed[i].Rights);
                i++;
            }
            while (i < _narrowed.Count && _narrowed[i].Page == _narrowed[i - 1].Page + 1 && _narrowed[i].Rights == _narrowed[i - 1].Rights);
            _stub?.Protect(_narrowed[first].Page << 12, (ulong)(i - first) << 12, _narrowed[first].Rights);
        }
    }

    private void SetRights(ulong page, PageRights rights)
    {
        MappedPage mapped = _pages[page];
        if ((rights & PageRights.Write) == 0 && (mapped.Rights & PageRights.Write) != 0)
        {
            _writable.Remove(mapped.RamPage);
        }

        _pages[page] = mapped with { Rights = rights };
    }

    /// <summary>Takes every page away.</summary>
    private void DropAll()
    {
        if (_pages.Count > 0)
        {
            _stub?.UnmapAll();
            Forget();
        }
    }

    /// <summary>Takes a range away.</summary>
    public void Drop(ulong address, ulong length)
    {
        ulong first = address >> 12;
        ulong count = length >> 12;
        if (count == 1)
        {
            if (Remove(first))
            {
                _stub?.Unmap(address, length);
            }

            return;
        }

        bool any = false;
        foreach (ulong page in _pages.Keys.Where(page => page - first < count).ToArray())
        {
            any |= Remove(page);
        }

        if (any)
        {
            _stub?.Unmap(address, length);
        }
    }

    /// <summary>Takes the right to write to a page of RAM away.</summary>
    /// <returns>True if there was one.</returns>
    public bool RevokeWrite(ulong ramPage)
    {
        if (!_writable.Remove(ramPage, out ulong page))
        {
            return false;
        }

        MappedPage mapped = _pages[page];
        PageRights rights = mapped.Rights & ~PageRights.Write;
        _pages[page] = mapped with { Rights = rights };
        _stub?.Protect(page << 12, 1 << 12, rights);
        return true;
    }

    /// <summary>The process has ended, or is to: another one takes its place with the next page.</summary>
    public void Abandon()
    {
        _stub?.Dispose();
        _stub = null;
        Forget();
    }

    public void Dispose() => Abandon();

    /// <summary>One page of the address space writes to a page of RAM at most, so that the right is found when it must go.</summary>
    private void Note(ulong page, ulong ramPage, PageRights rights)
    {
        if (_pages.TryGetValue(page, out MappedPage old))
        {
            if (old.RamPage == ramPage)
            {
                rights |= old.Rights;
            }
            else
            {
                Remove(page);
            }
        }

        if ((rights & PageRights.Write) != 0)
        {
            if (_writable.TryGetValue(ramPage, out ulong other) && other != page)
            {
                RevokeWrite(ramPage);
            }

            _writable[ramPage] = page;
        }

        _pages[page] = new MappedPage(ramPage, rights);
    }

    private StubProcess Start()
    {
        StubProcess stub = host.Start();
        counters.Stubs++;
        return stub;
    }

    private bool Remove(ulong page)
    {
        if (!_pages.Remove(page, out MappedPage mapped))
        {
            return false;
        }

        if ((mapped.Rights & PageRights.Write) != 0)
        {
            _writable.Remove(mapped.RamPage);
        }

        return true;
    }

    private void Forget()
    {
        _pages.Clear();
        _writable.Clear();
    }
}
