namespace Strata.Core.Memory;

/// <summary>
/// Takes the bytes of a guarded page before they change: copy them, they are the guest's again when it returns. Called once a page, on the
/// thread of whoever writes first (a vCPU's, a device's) or of <see cref="MemoryGuard.TakeAll"/>, for several pages at a time on several
/// threads. It must be quick, and must not write to guest memory.
/// </summary>
/// <param name="page">Index of the page, in units of 4 KiB.</param>
/// <param name="bytes">4 KiB.</param>
public delegate void PageSaver(ulong page, ReadOnlySpan<byte> bytes);

/// <summary>
/// The pages of a memory that are still to be saved as they were when the guard was set: <see cref="GuestMemory.Guard"/>. Every guarded
/// page is saved exactly once. All members are safe on any thread.
/// </summary>
public sealed class MemoryGuard : IDisposable
{
    private readonly GuestMemory _memory;
    private readonly PageSaver _save;
    private Exception? _failure;
    private long _saved;

    internal MemoryGuard(GuestMemory memory, PageSaver save)
    {
        _memory = memory;
        _save = save;
    }

    /// <summary>How many pages have been saved.</summary>
    public long Saved => Interlocked.Read(ref _saved);

    /// <summary>
    /// Why a page could not be saved: what was thrown first. The guest does not notice, but what was saved is worth nothing.
    /// </summary>
    public Exception? Failure => Volatile.Read(ref _failure);

    /// <summary>Saves one page now.</summary>
    /// <returns>False if it is not guarded (any longer); its bytes have been saved then, if it ever was.</returns>
    public bool TryTake(ulong page)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(page, _memory.Pages);
        return _memory.Take(page);
    }

    /// <summary>Saves all that is left, behind a guest that runs.</summary>
    /// <returns>How many pages this call saved.</returns>
    /// <exception cref="IOException">A page could not be saved, by whomever.</exception>
    public long TakeAll(CancellationToken cancellation)
    {
        long taken = 0;
        for (ulong page = 0; Failure is null && _memory.TryFindGuarded(ref page); page++)
        {
            cancellation.ThrowIfCancellationRequested();
            taken += _memory.Take(page) ? 1 : 0;
        }

        return Failure is { } failure
            ? throw new IOException($"A page of guest memory could not be saved: {failure.Message}", failure)
            : taken;
    }

    /// <summary>Stops guarding; pages not saved yet are not saved.</summary>
    public void Dispose() => _memory.Unguard(this);

    /// <summary>Guest code and devices must go on whatever happens to a snapshot: its owner hears of a failure, they do not.</summary>
    internal void Save(ulong page, ReadOnlySpan<byte> bytes)
    {
        if (Failure is not null)
        {
            return;
        }

#pragma warning disable CA1031 // kept for the owner
        try
        {
            _save(page, bytes);
            Interlocked.Increment(ref _saved);
        }
        catch (Exception failure)
        {
            Interlocked.CompareExchange(ref _failure, failure, null);
        }
#pragma warning restore CA1031
    }
}
