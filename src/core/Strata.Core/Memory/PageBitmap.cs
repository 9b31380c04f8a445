using System.Numerics;

namespace Strata.Core.Memory;

/// <summary>A set of pages of one memory: one bit for each 4 KiB page. Not safe on several threads.</summary>
public sealed class PageBitmap
{
    private readonly ulong[] _words;

    /// <param name="count">Pages of the memory.</param>
    public PageBitmap(ulong count)
    {
        Count = count;
        _words = new ulong[checked((int)((count + 63) >> 6))];
    }

    /// <summary>Pages of the memory, in the set or not.</summary>
    public ulong Count { get; }

    public bool Contains(ulong page)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(page, Count);
        return (_words[page >> 6] >> (int)(page & 63) & 1) != 0;
    }

    public void Add(ulong page)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(page, Count);
        _words[page >> 6] |= 1UL << (int)(page & 63);
    }

    public void Remove(ulong page)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(page, Count);
        _words[page >> 6] &= ~(1UL << (int)(page & 63));
    }

    public void Clear() => Array.Clear(_words);

    /// <summary>Adds the pages of another set of the same memory.</summary>
    public void UnionWith(PageBitmap other)
    {
        ArgumentNullException.ThrowIfNull(other);
        ArgumentOutOfRangeException.ThrowIfNotEqual(other.Count, Count, nameof(other));
        for (int i = 0; i < _words.Length; i++)
        {
            _words[i] |= other._words[i];
        }
    }

    /// <summary>How many pages are in the set.</summary>
    public long CountPages()
    {
        long count = 0;
        foreach (ulong word in _words)
        {
            count += BitOperations.PopCount(word);
        }

        return count;
    }

    /// <summary>The pages in ascending order. The set must not change meanwhile.</summary>
    public Enumerator GetEnumerator() => new(_words);

    public struct Enumerator
    {
        private readonly ulong[] _words;
        private int _next;
        private ulong _left;

        internal Enumerator(ulong[] words) => _words = words;

        public ulong Current { get; private set; }

        public bool MoveNext()
        {
            while (_left == 0)
            {
                if (_next == _words.Length)
                {
                    return false;
                }

                _left = _words[_next++];
            }

            Current = ((ulong)(_next - 1) << 6) + (ulong)BitOperations.TrailingZeroCount(_left);
            _left &= _left - 1;
            return true;
        }
    }
}
