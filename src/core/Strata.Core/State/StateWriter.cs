using System.Buffers;
using System.Numerics;
using System.Text;

namespace Strata.Core.State;

/// <summary>
/// Writes state as bytes: integers little-endian and in full width, arrays and texts behind their length. The same state gives the same
/// bytes. Not safe on several threads.
/// </summary>
public sealed class StateWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>Bytes written so far.</summary>
    public int Length => _bytes.WrittenCount;

    /// <summary>A copy of what was written.</summary>
    public byte[] ToArray() => _bytes.WrittenSpan.ToArray();

    /// <summary>An integer of 1 to 16 bytes, in its full width; an enumeration as its number.</summary>
    public void Write<T>(T value)
        where T : unmanaged, IBinaryInteger<T>
    {
        int count = value.GetByteCount();
        _ = value.WriteLittleEndian(_bytes.GetSpan(count));
        _bytes.Advance(count);
    }

    public void Write(bool value) => Write(value ? (byte)1 : (byte)0);

    /// <summary>Bytes whose number both sides know.</summary>
    public void WriteFixed(ReadOnlySpan<byte> bytes) => _bytes.Write(bytes);

    /// <summary>Bytes behind their number.</summary>
    public void WriteBytes(ReadOnlySpan<byte> bytes)
    {
        Write(bytes.Length);
        _bytes.Write(bytes);
    }

    /// <summary>A text in UTF-8 behind its number of bytes.</summary>
    public void WriteText(string text) => WriteBytes(Encoding.UTF8.GetBytes(text));

    /// <summary>Integers behind their number.</summary>
    public void WriteArray<T>(ReadOnlySpan<T> values)
        where T : unmanaged, IBinaryInteger<T>
    {
        Write(values.Length);
        foreach (T value in values)
        {
            Write(value);
        }
    }

    /// <summary>A record: its version, its length in bytes, its fields.</summary>
    public void WriteRecord<T>(T record)
        where T : IStateRecord<T>
    {
        StateWriter body = new();
        record.Write(body);
        Write(T.Version);
        WriteBytes(body._bytes.WrittenSpan);
    }

    /// <summary>Records behind their number.</summary>
    public void WriteRecords<T>(IReadOnlyCollection<T> records)
        where T : IStateRecord<T>
    {
        Write(records.Count);
        foreach (T record in records)
        {
            WriteRecord(record);
        }
    }
}
