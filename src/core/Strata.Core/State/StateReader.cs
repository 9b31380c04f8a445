using System.Numerics;
using System.Text;

namespace Strata.Core.State;

/// <summary>
/// Reads what <see cref="StateWriter"/> wrote. The bytes are hostile: every read is bounded, and what does not fit is a
/// <see cref="StateException"/> that names the unit and the field. Not safe on several threads.
/// </summary>
public sealed class StateReader
{
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly ReadOnlyMemory<byte> _bytes;
    private readonly string _unit;
    private int _at;

    /// <param name="unit">Whose record it is, for messages.</param>
    public StateReader(ReadOnlyMemory<byte> bytes, string unit)
    {
        _bytes = bytes;
        _unit = unit;
    }

    /// <summary>Bytes that have not been read.</summary>
    public int Remaining => _bytes.Length - _at;

    /// <summary>The error of a field that cannot be used: for checks that a range does not express.</summary>
    /// <param name="field">Its name.</param>
    /// <param name="why">What is wrong, as the end of a sentence.</param>
    public StateException Refuse(string field, string why) => new($"The saved state of {_unit} cannot be used: {field} {why}.");

    /// <summary>An integer in its full width.</summary>
    public T Read<T>(string field)
        where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> =>
        T.ReadLittleEndian(Take(T.Zero.GetByteCount(), field), isUnsigned: !T.IsNegative(T.MinValue));

    /// <summary>An integer within a range, both ends included.</summary>
    public T Read<T>(string field, T smallest, T largest)
        where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
    {
        T value = Read<T>(field);
        return value >= smallest && value <= largest ? value : throw Refuse(field, $"is {value}, not {smallest} to {largest}");
    }

    /// <summary>An integer in which only some bits may be set.</summary>
    public T ReadBits<T>(string field, T allowed)
        where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
    {
        T value = Read<T>(field);
        return (value & ~allowed) == T.Zero ? value : throw Refuse(field, $"is 0x{value:x}, with bits set that do not exist");
    }

    public bool ReadBoolean(string field) => Read<byte>(field, 0, 1) == 1;

    /// <summary>Fills <paramref name="target"/> with as many bytes as it has.</summary>
    public void ReadFixed(string field, Span<byte> target) => Take(target.Length, field).CopyTo(target);

    /// <summary>Bytes behind their number.</summary>
    /// <param name="most">More are refused.</param>
    public byte[] ReadBytes(string field, int most) => Take(ReadCount(field, most, 1), field).ToArray();

    /// <summary>A text behind its number of bytes.</summary>
    /// <param name="most">Bytes; more are refused.</param>
    public string ReadText(string field, int most)
    {
        ReadOnlySpan<byte> bytes = Take(ReadCount(field, most, 1), field);
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (ArgumentException)
        {
            throw Refuse(field, "is no UTF-8");
        }
    }

    /// <summary>Integers behind their number.</summary>
    /// <param name="most">More are refused.</param>
    public T[] ReadArray<T>(string field, int most)
        where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
    {
        T[] values = new T[ReadCount(field, most, T.Zero.GetByteCount())];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Read<T>(field);
        }

        return values;
    }

    /// <summary>Integers behind their number, which both sides know.</summary>
    public T[] ReadExactly<T>(string field, int count)
        where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
    {
        T[] values = ReadArray<T>(field, count);
        return values.Length == count ? values : throw Refuse(field, $"has {values.Length} elements, not {count}");
    }

    /// <summary>A record: all of it, and nothing behind it.</summary>
    public T ReadRecord<T>()
        where T : IStateRecord<T>
    {
        ushort version = Read<ushort>("version", 1, ushort.MaxValue);
        if (version > T.Version)
        {
            throw Refuse("version", $"{version} is newer than {T.Version}, the newest that is known here");
        }

        int length = ReadCount("length", int.MaxValue, 1);
        StateReader body = new(_bytes.Slice(_at, length), _unit);
        _at += length;
        T record = T.Read(body, version);
        return body.Remaining == 0 ? record : throw Refuse("length", $"has {body.Remaining} bytes behind the last field");
    }

    /// <summary>Records behind their number.</summary>
    /// <param name="most">More are refused.</param>
    public T[] ReadRecords<T>(string field, int most)
        where T : IStateRecord<T>
    {
        T[] records = new T[ReadCount(field, most, sizeof(ushort) + sizeof(int))];
        for (int i = 0; i < records.Length; i++)
        {
            records[i] = ReadRecord<T>();
        }

        return records;
    }

    /// <summary>Records behind their number, which both sides know.</summary>
    public T[] ReadExactRecords<T>(string field, int count)
        where T : IStateRecord<T>
    {
        T[] records = ReadRecords<T>(field, count);
        return records.Length == count ? records : throw Refuse(field, $"has {records.Length} elements, not {count}");
    }

    /// <summary>
    /// A number of things, of which each takes at least <paramref name="size"/> of the bytes that follow: no memory is taken for what is
    /// not there.
    /// </summary>
    private int ReadCount(string field, int most, int size)
    {
        int count = Read<int>(field);
        if (count < 0 || count > most)
        {
            throw Refuse(field, $"has a count of {count}, not 0 to {most}");
        }

        return count <= Remaining / size ? count : throw Truncated(field);
    }

    private ReadOnlySpan<byte> Take(int count, string field)
    {
        if (count > Remaining)
        {
            throw Truncated(field);
        }

        ReadOnlySpan<byte> bytes = _bytes.Span.Slice(_at, count);
        _at += count;
        return bytes;
    }

    private StateException Truncated(string field) => Refuse(field, "is missing or cut off: the record is too short");
}
