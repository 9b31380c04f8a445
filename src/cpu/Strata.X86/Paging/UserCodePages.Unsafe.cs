namespace Strata.X86.Paging;

/// <summary>
/// What an address space's user code epoch relies on: the pages of code that somebody has found by it, and where each was. A flush of the
/// whole address space, as after a large munmap, seldom concerns them: where all of them are still where they were, the epoch stays.
/// <para>On the vCPU's thread.</para>
/// </summary>
public sealed unsafe class UserCodePages
{
    /// <summary>Most pages that are looked at again after a flush: 32 MiB of code.</summary>
    private const int Most = 8192;

    private readonly Dictionary<ulong, nint> _pages = [];
    private bool _isUnknown;

    /// <summary>Whether there is anything to be looked at again.</summary>
    public bool IsKnown => !_isUnknown && _pages.Count != 0;

    /// <summary>Linear addresses of pages, and their host pages.</summary>
    public IReadOnlyCollection<KeyValuePair<ulong, nint>> Pages => _pages;

    /// <param name="va">An address in the page.</param>
    /// <param name="hostPage">Where it is.</param>
    public void Note(ulong va, byte* hostPage)
    {
        // SAFETY: the pointer is compared only.
        ulong page = va & ~0xFFFUL;
        if (_pages.Count < Most)
        {
            _isUnknown |= !_pages.TryAdd(page, (nint)hostPage) && _pages[page] != (nint)hostPage;
        }
        else
        {
            _isUnknown |= !_pages.TryGetValue(page, out nint known) || known != (nint)hostPage;
        }
    }

    public void Clear()
    {
        _pages.Clear();
        _isUnknown = false;
    }
}
