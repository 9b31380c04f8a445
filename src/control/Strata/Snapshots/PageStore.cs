using Strata.Core.Memory;

namespace Strata.Snapshots;

/// <summary>Old bytes of pages, in the order in which they were about to change. Any thread; reading when nobody adds.</summary>
internal sealed class PageStore
{
    private const int PagesPerSlab = 256;
    private const int PageSize = (int)GuestMemory.PageSize;

    private readonly Lock _gate = new();
    private readonly List<byte[]> _slabs = []; // under _gate, as the list of pages
    private readonly List<ulong> _pages = [];

    public int Count => _pages.Count;

    public void Add(ulong page, ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            int place = _pages.Count % PagesPerSlab;
            if (place == 0)
            {
                _slabs.Add(GC.AllocateUninitializedArray<byte>(PagesPerSlab * PageSize));
            }

            bytes.CopyTo(_slabs[^1].AsSpan(place * PageSize, PageSize));
            _pages.Add(page);
        }
    }

    /// <summary>Writes all pages back into a memory that stands still.</summary>
    public void PutBack(GuestMemory memory)
    {
        for (int i = 0; i < _pages.Count; i++)
        {
            memory.Write(_pages[i] * GuestMemory.PageSize, _slabs[i / PagesPerSlab].AsSpan(i % PagesPerSlab * PageSize, PageSize));
        }
    }
}
