using System.Runtime.InteropServices;
using Strata.Core.Execution;

namespace Strata.Core.Memory;

/// <summary>Dirty pages, taken while everybody runs.</summary>
public sealed partial class GuestMemory
{
    private readonly Lock _harvest = new(); // one harvest at a time; nothing is taken under it but what CollectingDirty takes

    /// <summary>
    /// Takes the dirty flags away and returns where they were set, while vCPUs run and devices write.
    /// <para>No write is lost: one whose bytes land after this returns is found by a later harvest. vCPUs have given up their rights to
    /// write, DMA notes its pages when the bytes are there. So a page that is copied after a harvest, and not found by the next one, has
    /// not changed since.</para>
    /// <para>Waits until every running vCPU has taken notice: never call it on a vCPU's thread, or holding what a device's handler waits
    /// for.</para>
    /// </summary>
    /// <param name="into">Of this memory's number of pages; the pages found are added.</param>
    /// <returns>How many pages were found.</returns>
    public long HarvestDirty(PageBitmap into)
    {
        ArgumentNullException.ThrowIfNull(into);
        ArgumentOutOfRangeException.ThrowIfNotEqual(into.Count, Pages, nameof(into));
        lock (_harvest)
        {
            CollectingDirty?.Invoke(this);
            long found = TakeDirtyFlags(into);
            RevokeWrites().Wait();
            return found;
        }
    }

    private long TakeDirtyFlags(PageBitmap into)
    {
        long found = 0;
        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(_dirty.AsSpan());
        for (int start = 0; start < words.Length;)
        {
            int skip = words[start..].IndexOfAnyExcept(0UL);
            if (skip < 0)
            {
                break;
            }

            start += skip;
            ulong flags = Interlocked.Exchange(ref words[start], 0);
            for (int i = 0; i < 8; i++)
            {
                if ((byte)(flags >> (8 * i)) != 0)
                {
                    into.Add(((ulong)start * 8) + (ulong)i);
                    found++;
                }
            }

            start++;
        }

        return found;
    }

    /// <summary>Asks every vCPU to give up its rights to write.</summary>
    private AttentionRound RevokeWrites()
    {
        AttentionRound round = new();
        WritesRevoked?.Invoke(this, round);
        return round;
    }
}
