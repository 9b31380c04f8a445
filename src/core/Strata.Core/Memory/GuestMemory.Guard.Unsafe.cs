using System.Runtime.InteropServices;
using Strata.Core.Execution;

namespace Strata.Core.Memory;

/// <summary>Copy before write: the bytes of a moment, saved behind a guest that goes on.</summary>
public sealed unsafe partial class GuestMemory
{
    private volatile MemoryGuard? _guard;

    /// <summary>
    /// Guards pages: from now on, whoever is first to write to one has its bytes saved before. Once all vCPUs stand (outside of
    /// <see cref="IVcpu.Run"/>) and no device writes; they may go on when it returns.
    /// <para>While there are <see cref="BlindWriters"/>, every page is saved before it returns.</para>
    /// </summary>
    /// <param name="save">Takes the bytes of a page; see <see cref="PageSaver"/>.</param>
    /// <param name="pages">Which pages; null for all.</param>
    /// <returns>The guard; dispose it to stop guarding what has not been saved.</returns>
    /// <exception cref="InvalidOperationException">A vCPU runs, a device is writing, or the memory is guarded already.</exception>
    public MemoryGuard Guard(PageSaver save, PageBitmap? pages = null)
    {
        ArgumentNullException.ThrowIfNull(save);
        ArgumentOutOfRangeException.ThrowIfNotEqual(pages?.Count ?? Pages, Pages, nameof(pages));
        MemoryGuard guard = new(this, save);
        if (Interlocked.CompareExchange(ref _guard, guard, null) is not null)
        {
            throw new InvalidOperationException(
                "The memory is guarded already: a snapshot of it is being saved. Wait until that is complete.");
        }

        try
        {
            SetGuarded(pages);
            DemandQuiet();
            if (BlindWriters > 0)
            {
                guard.TakeAll(CancellationToken.None);
            }
        }
        catch
        {
            guard.Dispose();
            throw;
        }

        return guard;
    }

    /// <summary>Nobody writes, and nobody will without asking anew.</summary>
    private void DemandQuiet()
    {
        if (!RevokeWrites().IsOver)
        {
            throw new InvalidOperationException("A vCPU runs: the machine must be paused before its memory is kept as it is.");
        }

        if (Volatile.Read(ref _writesInFlight) != 0)
        {
            throw new InvalidOperationException(
                "A device is writing: devices must be quiet before their machine's memory is kept as it is.");
        }
    }

    internal bool IsGuarded(ulong page) => (Volatile.Read(ref _watch[page]) & GuardedFlag) != 0;

    /// <summary>The first guarded page at or behind one.</summary>
    /// <returns>False if there is none.</returns>
    internal bool TryFindGuarded(ref ulong page)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(_watch.AsSpan());
        for (; page < Pages; page++)
        {
            if ((page & 7) == 0 && (words[(int)(page >> 3)] & (GuardedFlag * 0x0101_0101_0101_0101UL)) == 0)
            {
                page += 7;
            }
            else if (IsGuarded(page))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Saves a page if it is guarded, and guards it no longer. Returns when its bytes are safe, whoever saves them.</summary>
    /// <returns>True if this call saved it.</returns>
    internal bool Take(ulong page)
    {
        ref byte place = ref _watch[page];
        SpinWait spin = default;
        while (true)
        {
            byte seen = Volatile.Read(ref place);
            if ((seen & GuardedFlag) == 0)
            {
                return false;
            }

            if ((seen & TakingFlag) != 0)
            {
                spin.SpinOnce(sleep1Threshold: -1); // another one is copying 4 KiB
            }
            else if (Interlocked.CompareExchange(ref place, (byte)(seen | TakingFlag), seen) == seen)
            {
                break;
            }
        }

        try
        {
            // SAFETY: flags exist for the pages of the mapping only.
            _guard?.Save(page, new ReadOnlySpan<byte>(_base + (page << PageShift), (int)PageSize));
        }
        finally
        {
            Clear(page, GuardedFlag | TakingFlag);
        }

        return true;
    }

    /// <summary>Stops guarding. What is being saved is saved when it returns.</summary>
    internal void Unguard(MemoryGuard guard)
    {
        if (_guard != guard)
        {
            return;
        }

        SpinWait spin = default;
        for (ulong page = 0; TryFindGuarded(ref page);)
        {
            byte seen = Volatile.Read(ref _watch[page]);
            if ((seen & TakingFlag) != 0)
            {
                spin.SpinOnce(sleep1Threshold: -1);
            }
            else if (Interlocked.CompareExchange(ref _watch[page], (byte)(seen & ~GuardedFlag), seen) == seen)
            {
                page++;
            }
        }

        _guard = null;
    }

    private void SetGuarded(PageBitmap? pages)
    {
        if (pages is not null)
        {
            foreach (ulong page in pages)
            {
                Set(page, GuardedFlag);
            }

            return;
        }

        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(_watch.AsSpan());
        int whole = (int)(Pages >> 3);
        for (int i = 0; i < whole; i++)
        {
            Interlocked.Or(ref words[i], GuardedFlag * 0x0101_0101_0101_0101UL);
        }

        for (ulong page = (ulong)whole << 3; page < Pages; page++)
        {
            Set(page, GuardedFlag);
        }
    }
}
