namespace Strata.Core.Bus;

/// <summary>
/// The guest-physical address space at one moment: immutable, made of regions, read without a lock. A change makes a new one.
/// </summary>
public sealed class MemoryMap
{
    public static readonly MemoryMap Empty = new([]);

    private readonly MapRange[] _ranges; // ascending, no two overlap
    private readonly MapRange[] _memory; // RAM and ROM, the longest first: most addresses lie there

    /// <param name="regions">In any order.</param>
    /// <exception cref="InvalidOperationException">Two of one priority overlap.</exception>
    public MemoryMap(IReadOnlyList<MemoryRegion> regions)
    {
        Regions = regions;
        DemandOrder(regions);
        List<MapRange> direct = Flatten(
            regions.Where(region => region.Kind != RegionKind.Alias).Select(region => (Whole(region), region.Priority)));
        List<MapRange> ranges = regions.Any(region => region.Kind == RegionKind.Alias)
            ? Flatten(regions.SelectMany(region => Resolve(region, direct)))
            : direct;
        _ranges = [.. ranges];
        _memory = [.. ranges.Where(range => range.IsMemory).OrderByDescending(range => range.Length)];
    }

    /// <summary>What the map was made of.</summary>
    public IReadOnlyList<MemoryRegion> Regions { get; }

    /// <summary>What shows, in ascending order, without gaps' being listed.</summary>
    public ReadOnlySpan<MapRange> Ranges => _ranges;

    /// <summary>RAM and ROM that shows, the longest piece first.</summary>
    public ReadOnlySpan<MapRange> Memory => _memory;

    /// <summary>What shows at an address.</summary>
    /// <returns>False if nothing was mapped there.</returns>
    public bool TryFind(ulong gpa, out MapRange found)
    {
        int low = 0;
        int high = _ranges.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >> 1;
            ref readonly MapRange range = ref _ranges[middle];
            if (gpa < range.Start)
            {
                high = middle - 1;
            }
            else if (gpa >= range.End)
            {
                low = middle + 1;
            }
            else
            {
                found = range;
                return true;
            }
        }

        found = default;
        return false;
    }

    /// <summary>The RAM or ROM that holds a range as a whole.</summary>
    public bool TryFindMemory(ulong gpa, ulong length, out MapRange found)
    {
        foreach (ref readonly MapRange range in _memory.AsSpan())
        {
            ulong at = gpa - range.Start;
            if (at < range.Length && length <= range.Length - at)
            {
                found = range;
                return true;
            }
        }

        found = default;
        return false;
    }

    /// <summary>Whether RAM and ROM show in the same places, with the same bytes and rights: what host addresses are kept of.</summary>
    public bool ShowsSameMemory(MemoryMap other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return _ranges.Where(range => range.IsMemory).SequenceEqual(other._ranges.Where(range => range.IsMemory));
    }

    private static void DemandOrder(IReadOnlyList<MemoryRegion> regions)
    {
        foreach (IGrouping<int, MemoryRegion> level in regions.GroupBy(region => region.Priority))
        {
            MemoryRegion? before = null;
            foreach (MemoryRegion region in level.OrderBy(region => region.Start))
            {
                if (before is not null && region.Start < before.End)
                {
                    throw new InvalidOperationException($"{region} overlaps {before} of the same priority.");
                }

                before = region;
            }
        }
    }

    private static MapRange Whole(MemoryRegion region) =>
        new(region.Start, region.End, region.Kind, region.Memory, region.Offset, region.Device, 0);

    /// <summary>An alias as the pieces that it shows; any other region as it is.</summary>
    private static IEnumerable<(MapRange Range, int Priority)> Resolve(MemoryRegion region, List<MapRange> direct)
    {
        if (region.Kind != RegionKind.Alias)
        {
            yield return (Whole(region), region.Priority);
            yield break;
        }

        ulong end = region.Target + region.Length;
        foreach (MapRange range in direct)
        {
            if (range.Start < end && region.Target < range.End)
            {
                MapRange part = range.Cut(Math.Max(range.Start, region.Target), Math.Min(range.End, end));
                yield return (part.At(region.Start + (part.Start - region.Target)), region.Priority);
            }
        }
    }

    /// <summary>Lays the higher over the lower, and joins what belongs together.</summary>
    private static List<MapRange> Flatten(IEnumerable<(MapRange Range, int Priority)> pieces)
    {
        List<MapRange> shown = [];
        foreach ((MapRange piece, _) in pieces.OrderBy(piece => piece.Priority))
        {
            List<MapRange> next = new(shown.Count + 2);
            foreach (MapRange range in shown)
            {
                if (range.Start < piece.Start)
                {
                    next.Add(range.Cut(range.Start, Math.Min(range.End, piece.Start)));
                }

                if (range.End > piece.End)
                {
                    next.Add(range.Cut(Math.Max(range.Start, piece.End), range.End));
                }
            }

            next.Add(piece);
            shown = next;
        }

        shown.Sort((left, right) => left.Start.CompareTo(right.Start));
        List<MapRange> joined = [];
        foreach (MapRange range in shown)
        {
            if (joined.Count > 0 && joined[^1].IsContinuedBy(range))
            {
                joined[^1] = joined[^1] with { End = range.End };
            }
            else
            {
                joined.Add(range);
            }
        }

        return joined;
    }
}
