namespace Strata.Virtio.Vsock;

/// <summary>A queue of bytes with a limit; it grows as it is used.</summary>
internal sealed class ByteRing(int capacity)
{
    private const int SmallestSize = 1024;

    private byte[] _bytes = [];
    private int _start;

    public int Capacity => capacity;

    public int Count { get; private set; }

    public int Free => capacity - Count;

    /// <returns>How many bytes found room.</returns>
    public int Add(ReadOnlySpan<byte> bytes)
    {
        int count = Math.Min(bytes.Length, Free);
        Grow(Count + count);
        for (int done = 0; done < count;)
        {
            int at = (_start + Count) % _bytes.Length;
            int piece = Math.Min(count - done, _bytes.Length - at);
            bytes.Slice(done, piece).CopyTo(_bytes.AsSpan(at));
            Count += piece;
            done += piece;
        }

        return count;
    }

    /// <returns>How many bytes there were.</returns>
    public int Take(Span<byte> target)
    {
        int count = Math.Min(target.Length, Count);
        for (int done = 0; done < count;)
        {
            int piece = Math.Min(count - done, _bytes.Length - _start);
            _bytes.AsSpan(_start, piece).CopyTo(target[done..]);
            _start = (_start + piece) % _bytes.Length;
            Count -= piece;
            done += piece;
        }

        return count;
    }

    public void Clear()
    {
        _bytes = [];
        _start = Count = 0;
    }

    private void Grow(int needed)
    {
        if (needed <= _bytes.Length)
        {
            return;
        }

        byte[] larger = new byte[
            Math.Min(capacity, Math.Max(SmallestSize, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)needed)))];
        int count = Take(larger);
        _bytes = larger;
        _start = 0;
        Count = count;
    }
}
