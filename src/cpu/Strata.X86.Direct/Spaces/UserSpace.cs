using Strata.Core.Bus;
using Strata.X86.Direct.Stub;

namespace Strata.X86.Direct.Spaces;

/// <summary>
/// A guest's address space as a stub has it: which pages are mapped, with which rights. When programs run there it may hold less than the
/// guest's tables and never more, like a TLB: what may have changed is marked, and compared before the next run. On the vCPU's thread.
/// </summary>
internal sealed class UserSpace(StubHost host, DirectCounters counters) : IDisposable
{
    /// <summary>
    /// Hosts let a process have 65,530 mappings by default (vm.max_map_count); pages that lie one behind the other in RAM are one.
    /// </summary>
    private const int MostPieces = 50_000;

    /// <summary>Mappings that are made at once for a space that has none.</summary>
    private const int MostAtOnce = 20_000;
    private const int MostRegionsAtOnce = 2048;

    /// <summary>Pages that are mapped together where the guest's tables have them: 128 KiB.</summary>
    private const int Window = 32;

    private readonly Dictionary<ulong, MappedRegion> _regions = [];
    private readonly Dictionary<ulong, ulong> _writable = []; // page of RAM to page of the address space
    private readonly List<ulong> _numbers = []; // only while regions are looked at
    private ulong? _awaited;
    private int _pieces;
    private MemoryMap? _map;
    private StubProcess? _stub;

    /// <summary>The process; it is started when it is needed.</summary>
    /// <exception cref="DirectUnavailableException">The host refuses.</exception>
    public StubProcess Stub => _stub ??= Start();

    /// <summary>Slot of the TLB that it belongs to; -1 for none.</summary>
    public int Slot { get; set; } = -1;

    /// <summary>The guest's tables may have changed anywhere.</summary>
    public bool IsStale { get; set; }

    /// <summary>When it was used last: a number that grows.</summary>
    public long UsedAt { get; set; }

    /// <summary>The guest's kernel has been told of a fault at a page: it is likely to be there at the next run.</summary>
    /// <param name="page">Number of the page.</param>
    public void Await(ulong page) => _awaited = page;

    /// <summary>Notes about writes may be needed again: every page is looked at, whatever the guest's tables show.</summary>
    public void Distrust()
    {
        IsStale = true;
        foreach (MappedRegion region in _regions.Values)
        {
            region.SeenPath = null;
        }
    }

    /// <summary>The guest's tables may have changed for a range.</summary>
    public void Drop(ulong address, ulong length)
    {
        for (ulong number = address >> 21; number <= (address + length - 1) >> 21; number++)
        {
            if (_regions.TryGetValue(number, out MappedRegion? region))
            {
                region.IsStale = true;
                HasStaleRegions = true;
            }
        }
    }

    /// <summary>Some regions are to be compared, if not all.</summary>
    public bool HasStaleRegions { get; private set; }

    /// <summary>Before a run: nothing is mapped any more that the guest's tables do not have, and what will be needed is.</summary>
    public void Prepare(GuestTables tables)
    {
        MemoryMap map = tables.Map;
        if (_map != map)
        {
            _map = map;
            Distrust();
        }

        if (IsStale || HasStaleRegions)
        {
            Compare(tables);
        }

        if (_regions.Count == 0)
        {
            MapUsed(tables);
        }

        if (_awaited is { } page)
        {
            _awaited = null;
            MapAround(tables, page);
        }
    }

    /// <summary>Maps a page that a program has asked for, or gives it more rights, and what belongs with it.</summary>
    public void Map(GuestTables tables, ulong page, ulong ramPage, PageRights rights)
    {
        int index = IndexOf(page);
        MappedRegion region = RegionOf(page >> MappedRegion.Shift);
        tables.Read(page >> MappedRegion.Shift);
        bool isFound = tables.TryFind(index, out MappedPage found) && found.RamPage == ramPage;
        PageRights foundRights = isFound ? found.Rights : PageRights.None;
        MappedPage old = region[index];
        MappedPage mapped = new(ramPage, rights | foundRights | (old.RamPage == ramPage ? old.Rights : PageRights.None));
        bool isTrusted = IsTrusted(region, tables) && (mapped.Rights & ~foundRights) == 0;
        counters.PagesMapped++;
        Place(region, page, mapped);
        Note(region, index, isTrusted, tables);
        MapAround(tables, page);
    }

    /// <summary>Maps what a program has used around a page, and what goes on from there in RAM as well.</summary>
    private void MapAround(GuestTables tables, ulong page)
    {
        ulong number = page >> MappedRegion.Shift;
        tables.Read(number);
        int first = IndexOf(page) & ~(Window - 1);
        while (first > 0 && tables.TryFind(first, out MappedPage found) && tables.TryFind(first - 1, out MappedPage before)
            && found.RamPage == before.RamPage + 1 && found.Rights == before.Rights)
        {
            first--;
        }

        int end = (IndexOf(page) & ~(Window - 1)) + Window;
        while (end < MappedRegion.Pages && tables.TryFind(end - 1, out MappedPage found) && tables.TryFind(end, out MappedPage behind)
            && found.RamPage + 1 == behind.RamPage && found.Rights == behind.Rights)
        {
            end++;
        }

        MapFound(tables, number, first, end);
    }

    /// <summary>Takes the right to write to a page of RAM away.</summary>
    /// <returns>True if there was one.</returns>
    public bool RevokeWrite(ulong ramPage)
    {
        if (!_writable.TryGetValue(ramPage, out ulong page))
        {
            return false;
        }

        MappedRegion region = _regions[page >> MappedRegion.Shift];
        SetRights(region, page, region[IndexOf(page)].Rights & ~PageRights.Write);
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

    private static int IndexOf(ulong page) => (int)(page & (MappedRegion.Pages - 1));

    private static bool IsMappable(ulong page) => page is >= StubLayout.UserStart >> 12 and < StubLayout.UserEnd >> 12;

    /// <summary>Keeps of each page what is still right, so that programs that take turns need not ask for it again and again.</summary>
    private void Compare(GuestTables tables)
    {
        counters.Revalidations++;
        _numbers.Clear();
        foreach ((ulong number, MappedRegion region) in _regions)
        {
            if (IsStale || region.IsStale)
            {
                _numbers.Add(number);
            }
        }

        (IsStale, HasStaleRegions) = (false, false);
        foreach (ulong number in _numbers)
        {
            MappedRegion region = _regions[number];
            region.IsStale = false;
            if (region.SeenPath is not { } path || !tables.Shows(number, region.Seen, path))
            {
                counters.RegionsCompared++;
                Compare(tables, number, region);
            }
        }
    }

    private void Compare(GuestTables tables, ulong number, MappedRegion region)
    {
        tables.Read(number);
        bool isSame = region.SeenPath == tables.Path;
        (int first, int end) gone = default;
        for (int i = 0; i < MappedRegion.Pages; i++)
        {
            if (!region.IsMapped(i) || (isSame && region.Seen[i] == tables.Entries[i]))
            {
                TakeAway(number, region.IsMapped(i) ? gone : default);
                gone = region.IsMapped(i) ? default : gone;
                continue;
            }

            ulong page = (number << MappedRegion.Shift) + (ulong)i;
            if (!tables.TryFind(i, out MappedPage found))
            {
                gone = (gone.end == 0 ? i : gone.first, i + 1); // pages between that are not mapped do no harm
                Remove(region, page);
                continue;
            }

            TakeAway(number, gone);
            gone = default;
            if (found.RamPage != region[i].RamPage)
            {
                Place(region, page, found);
            }
            else if (found.Rights != region[i].Rights)
            {
                SetRights(region, page, found.Rights);
            }
        }

        TakeAway(number, gone);
        tables.Entries.CopyTo(region.Seen);
        region.SeenPath = tables.Path;
        if (region.Count == 0)
        {
            _regions.Remove(number);
        }
    }

    private void TakeAway(ulong number, (int First, int End) gone)
    {
        if (gone.End > 0)
        {
            _stub?.Unmap((number << 21) + ((ulong)gone.First << 12), (ulong)(gone.End - gone.First) << 12);
        }
    }

    /// <summary>A space that has nothing yet gets what its programs have used while they were translated.</summary>
    private void MapUsed(GuestTables tables)
    {
        _numbers.Clear();
        tables.ListRegions(_numbers, MostRegionsAtOnce);
        foreach (ulong number in _numbers)
        {
            if (_pieces > MostAtOnce)
            {
                break;
            }

            tables.Read(number);
            MapFound(tables, number, 0, MappedRegion.Pages);
        }
    }

    /// <summary>Maps of the region that has been read what is there and not mapped, and widens rights.</summary>
    private void MapFound(GuestTables tables, ulong number, int first, int end)
    {
        if (tables.Path == 0)
        {
            return;
        }

        for (int i = first; i < end; i++)
        {
            ulong page = (number << MappedRegion.Shift) + (ulong)i;
            if (!IsMappable(page) || !tables.TryFind(i, out MappedPage found))
            {
                continue;
            }

            MappedRegion region = RegionOf(number);
            bool isTrusted = IsTrusted(region, tables);
            MappedPage old = region[i];
            if (old.Rights == PageRights.None)
            {
                counters.PagesMapped++;
                counters.PagesAhead++;
                Place(region, page, found);
            }
            else if (old.RamPage == found.RamPage && (found.Rights & ~old.Rights) != 0)
            {
                Place(region, page, new MappedPage(found.RamPage, old.Rights | found.Rights));
                isTrusted &= (old.Rights & ~found.Rights) == 0; // what the table has taken goes with the flush that follows
            }
            else
            {
                continue;
            }

            Note(region, i, isTrusted, tables);
        }
    }

    /// <summary>Whether every page that is mapped was found by what the region shows, and the same led there as does now.</summary>
    private static bool IsTrusted(MappedRegion region, GuestTables tables) => region.Count == 0 || region.SeenPath == tables.Path;

    private static void Note(MappedRegion region, int index, bool isTrusted, GuestTables tables)
    {
        region.SeenPath = isTrusted ? tables.Path : null;
        region.Seen[index] = tables.Entries[index];
    }

    private MappedRegion RegionOf(ulong number)
    {
        if (_pieces >= MostPieces)
        {
            DropAll();
        }

        if (!_regions.TryGetValue(number, out MappedRegion? region))
        {
            _regions[number] = region = new MappedRegion();
        }

        return region;
    }

    /// <summary>One page of the address space writes to a page of RAM at most, so that the right is found when it must go.</summary>
    private void Place(MappedRegion region, ulong page, MappedPage mapped)
    {
        Remove(region, page);
        if ((mapped.Rights & PageRights.Write) != 0)
        {
            RevokeWrite(mapped.RamPage);
            _writable[mapped.RamPage] = page;
        }

        Set(region, IndexOf(page), mapped);
        Stub.Map(page << 12, 1 << 12, mapped.Rights, mapped.RamPage << 12);
    }

    private void SetRights(MappedRegion region, ulong page, PageRights rights)
    {
        MappedPage mapped = region[IndexOf(page)];
        if ((mapped.Rights & PageRights.Write) != 0)
        {
            _writable.Remove(mapped.RamPage);
        }

        if ((rights & PageRights.Write) != 0)
        {
            RevokeWrite(mapped.RamPage);
            _writable[mapped.RamPage] = page;
        }

        Set(region, IndexOf(page), mapped with { Rights = rights });
        _stub?.Protect(page << 12, 1 << 12, rights);
    }

    private void Remove(MappedRegion region, ulong page)
    {
        MappedPage mapped = region[IndexOf(page)];
        if ((mapped.Rights & PageRights.Write) != 0)
        {
            _writable.Remove(mapped.RamPage);
        }

        Set(region, IndexOf(page), default);
    }

    private void Set(MappedRegion region, int index, MappedPage mapped)
    {
        _pieces -= region.Pieces;
        region[index] = mapped;
        _pieces += region.Pieces;
    }

    /// <summary>Takes every page away.</summary>
    private void DropAll()
    {
        _stub?.UnmapAll();
        Forget();
    }

    private StubProcess Start()
    {
        StubProcess stub = host.Start();
        counters.Stubs++;
        return stub;
    }

    private void Forget()
    {
        _regions.Clear();
        _writable.Clear();
        _pieces = 0;
        HasStaleRegions = false;
    }
}
