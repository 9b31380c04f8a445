using System.Text;

namespace Strata;

/// <summary>
/// What a guest has printed, a character a byte (Latin-1). The oldest part is dropped; positions count from the first character ever.
/// Not synchronized.
/// </summary>
/// <param name="capacity">Characters that are kept at least.</param>
internal sealed class ConsoleText(int capacity)
{
    private readonly StringBuilder _text = new();
    private long _dropped;

    /// <summary>Position behind the last character.</summary>
    public long End => _dropped + _text.Length;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        _text.Append(Encoding.Latin1.GetString(bytes));
        if (_text.Length > 2 * capacity)
        {
            int excess = _text.Length - capacity;
            _text.Remove(0, excess);
            _dropped += excess;
        }
    }

    /// <summary>Looks for a text at a position or behind it.</summary>
    /// <returns>The position behind its first occurrence, or −1.</returns>
    public long Find(string text, long from)
    {
        int start = (int)Math.Clamp(from - _dropped, 0, _text.Length);
        int at = _text.ToString(start, _text.Length - start).IndexOf(text, StringComparison.Ordinal);
        return at < 0 ? -1 : _dropped + start + at + text.Length;
    }

    /// <summary>The last bytes, as many as are asked for and there.</summary>
    public byte[] Tail(int most)
    {
        int count = Math.Min(most, _text.Length);
        return Encoding.Latin1.GetBytes(_text.ToString(_text.Length - count, count));
    }

    public override string ToString() => _text.ToString();
}
