namespace Strata.Disks.Tests.Blocks;

/// <summary>An image file that remembers, in order, everything that reached the host.</summary>
internal sealed class RecordingFile(string path) : ImageFile(path, OpenHandle(path, readOnly: false), readOnly: false)
{
    private readonly List<Event> _events = [];

    private enum Kind
    {
        Write,
        SetLength,
        Zeros,
        Flush,
    }

    public int EventCount => _events.Count;

    /// <summary>How many events happened before each barrier.</summary>
    public IReadOnlyList<int> Barriers => [.. Enumerable.Range(0, _events.Count).Where(index => _events[index].Kind == Kind.Flush)];

    /// <returns>How many events happened before some barrier.</returns>
    public int EventBeforeBarrier(Random random) => Barriers[random.Next(Barriers.Count)];

    public override void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        _events.Add(new Event(Kind.Write, offset, buffer.Length, buffer.ToArray()));
        base.Write(offset, buffer);
    }

    public override void SetLength(long length)
    {
        _events.Add(new Event(Kind.SetLength, 0, length, []));
        base.SetLength(length);
    }

    public override void WriteZeros(long offset, long length)
    {
        long inside = Math.Min(length, Length - offset);
        if (inside > 0)
        {
            _events.Add(new Event(Kind.Zeros, offset, inside, []));
        }

        base.WriteZeros(offset, length);
    }

    /// <summary>As on a host that has holes.</summary>
    public override void Discard(long offset, long length) => WriteZeros(offset, length);

    /// <summary>The barrier is recorded; the host need not wait for its disk.</summary>
    public override void Flush() => _events.Add(new Event(Kind.Flush, 0, 0, []));

    /// <summary>
    /// Makes the file that a stop after some events leaves. The process alone stops: all of them arrived. The host stops: what
    /// was not behind a barrier arrived or did not, and of a write any of its sectors.
    /// </summary>
    /// <param name="pristine">The file before the first event.</param>
    /// <param name="losses">Decides what arrived; null when only the process stops.</param>
    public void Rebuild(string pristine, string target, int count, Random? losses)
    {
        File.Copy(pristine, target, overwrite: true);
        int safe = losses is null ? count : _events.FindLastIndex(Math.Max(count - 1, 0), count, entry => entry.Kind == Kind.Flush);
        using FileStream stream = new(target, FileMode.Open, FileAccess.ReadWrite);
        for (int index = 0; index < count; index++)
        {
            Apply(stream, _events[index], index > safe ? losses : null);
        }
    }

    private static void Apply(FileStream stream, Event entry, Random? losses)
    {
        const int Sector = 512;
        switch (entry.Kind)
        {
            case Kind.SetLength when losses is null || losses.Next(2) == 0:
                stream.SetLength(entry.Length);
                break;
            case Kind.Write or Kind.Zeros:
                byte[] bytes = entry.Kind == Kind.Write ? entry.Bytes : new byte[entry.Length];
                // 0: it arrives; 1: some sectors do; above: nothing does.
                int style = losses?.Next(4) ?? 0;
                for (int at = 0; at < bytes.Length;)
                {
                    int count = Math.Min(bytes.Length - at, Sector - (int)((entry.Offset + at) % Sector));
                    bool arrives = style == 0 || (style == 1 && losses!.Next(2) == 0);
                    if (arrives)
                    {
                        stream.Position = entry.Offset + at;
                        stream.Write(bytes, at, count);
                    }

                    at += count;
                }

                break;
            default:
                break;
        }
    }

    private readonly record struct Event(Kind Kind, long Offset, long Length, byte[] Bytes);
}
