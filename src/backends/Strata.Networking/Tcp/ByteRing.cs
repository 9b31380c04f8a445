using System.Buffers;
using System.Numerics;

namespace Strata.Networking.Tcp;

/// <summary>How many bytes a network's connections may buffer together. Under the network's gate.</summary>
internal sealed class BufferBudget(long limit)
{
    public long Used { get; private set; }

    /// <summary>More than half is used: empty buffers are given back.</summary>
    public bool IsTight => Used > limit / 2;

    public bool TryTake(int bytes)
    {
        if (bytes > limit - Used)
        {
            return false;
        }

        Used += bytes;
        return true;
    }

    public void Give(int bytes) => Used -= bytes;
}

/// <summary>A queue of bytes that grows up to a limit, as far as the budget allows. Under the network's gate.</summary>
/// <param name="limit">Bytes; a power of two.</param>
internal sealed class ByteRing(BufferBudget budget, int limit)
{
    private const int Smallest = 1 << 14;

    private byte[] _bytes = [];
    private int _size; // a power of two, or zero
    private int _start;

    /// <summary>Bytes in the queue.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes that fit if the budget allows.</summary>
    public int Free => limit - Count;

    /// <summary>Appends what fits.</summary>
    /// <returns>Bytes taken.</returns>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        int taken = 0;
        while (taken < bytes.Length)
        {
            Span<byte> place = WritableSpan(bytes.Length - taken);
            if (place.IsEmpty)
            {
                break;
            }

            int count = Math.Min(place.Length, bytes.Length - taken);
            bytes.Slice(taken, count).CopyTo(place);
            Count += count;
            taken += count;
        }

        return taken;
    }

    /// <summary>A contiguous free place; <see cref="Append"/> says how much of it was filled. Empty if there is none.</summary>
    /// <param name="wanted">How much the caller could use; the queue grows for it.</param>
    public Span<byte> WritableSpan(int wanted)
    {
        if (_size - Count < wanted)
        {
            Grow(wanted);
        }

        if (_size == Count)
        {
            return [];
        }

        int end = (_start + Count) & (_size - 1);
        return _bytes.AsSpan(end, Math.Min(_size - Count, _size - end));
    }

    public void Append(int count) => Count += count;

    /// <summary>Bytes from <paramref name="offset"/> on, as many as lie together.</summary>
    public ReadOnlySpan<byte> Peek(int offset, int most)
    {
        int at = (_start + offset) & (_size - 1);
        return _bytes.AsSpan(at, Math.Min(Math.Min(most, Count - offset), _size - at));
    }

    public void Skip(int count)
    {
        Count -= count;
        _start = Count == 0 ? 0 : (_start + count) & (_size - 1);
        if (Count == 0 && budget.IsTight)
        {
            Release();
        }
    }

    /// <summary>Forgets the bytes and gives the memory back.</summary>
    public void Clear()
    {
        Count = 0;
        Release();
    }

    private void Grow(int wanted)
    {
        int size = (int)Math.Min(
            limit, Math.Max(Smallest, BitOperations.RoundUpToPowerOf2((uint)(Count + Math.Min(wanted, limit - Count)))));
        while (size > _size && !budget.TryTake(size - _size))
        {
            size /= 2; // less is better than nothing
        }

        if (size <= _size)
        {
            return;
        }

        byte[] bytes = ArrayPool<byte>.Shared.Rent(size);
        int count = Count;
        for (int copied = 0; copied < count;)
        {
            ReadOnlySpan<byte> piece = Peek(copied, count - copied);
            piece.CopyTo(bytes.AsSpan(copied));
            copied += piece.Length;
        }

        ReturnArray();
        _bytes = bytes;
        _size = size;
        _start = 0;
    }

    private void Release()
    {
        budget.Give(_size);
        ReturnArray();
        _bytes = [];
        _size = 0;
        _start = 0;
    }

    private void ReturnArray()
    {
        if (_bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_bytes);
        }
    }
}
