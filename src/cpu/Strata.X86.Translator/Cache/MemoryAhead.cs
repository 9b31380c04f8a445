using Strata.Core.Posix;

namespace Strata.X86.Translator.Cache;

/// <summary>
/// Has another thread make the host's pages of a buffer shortly before they are needed. A huge page is cleared when it is first touched,
/// for which some hosts take a millisecond: while code is taken over, that would be most of the time. <see cref="Reach"/> is the vCPU's
/// thread's.
/// </summary>
/// <param name="start">Of the buffer.</param>
/// <param name="size">Its bytes.</param>
/// <param name="gate">Held while the buffer goes.</param>
/// <param name="isGone">Whether it has gone; asked under the gate.</param>
internal sealed class MemoryAhead(nint start, ulong size, Lock gate, Func<bool> isGone)
{
    /// <summary>Bytes of a huge page.</summary>
    private const ulong Chunk = 2 << 20;

    private ulong _asked; // bytes from the start on

    /// <summary>The buffer is used up to here: the rest of the huge page and the next one will be needed.</summary>
    public void Reach(nint at)
    {
        ulong needed = Math.Min(size, (((ulong)(at - start) / Chunk) + 2) * Chunk);
        if (needed > _asked)
        {
            ulong from = _asked;
            _asked = needed;
            ThreadPool.UnsafeQueueUserWorkItem(_ => Make(from, needed), null);
        }
    }

    private void Make(ulong from, ulong to)
    {
        lock (gate)
        {
            if (!isGone())
            {
                HostMapping.Populate(start + (nint)from, to - from);
            }
        }
    }
}
