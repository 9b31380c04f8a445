using System.Buffers.Binary;

namespace Strata.Display.Rfb;

/// <summary>Bytes of messages until they are sent. Numbers are big-endian.</summary>
internal sealed class RfbWriter
{
    private byte[] _bytes = new byte[4096];

    /// <summary>How many there are.</summary>
    public int Length { get; private set; }

    /// <summary>What there is.</summary>
    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

    /// <summary>Forgets what was written.</summary>
    public void Clear() => Length = 0;

    /// <summary>Forgets what was written from a place on.</summary>
    public void CutTo(int length) => Length = length;

    /// <summary>Room for bytes, which must be filled before the next call.</summary>
    public Span<byte> Take(int count)
    {
        if (_bytes.Length - Length < count)
        {
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + count));
        }

        Span<byte> room = _bytes.AsSpan(Length, count);
        Length += count;
        return room;
    }

    /// <summary>A byte that is filled later.</summary>
    public ref byte At(int place) => ref _bytes[place];

    public void Byte(byte value) => Take(1)[0] = value;

    public void Number16(int value) => BinaryPrimitives.WriteUInt16BigEndian(Take(2), (ushort)value);

    public void Number32(int value) => BinaryPrimitives.WriteInt32BigEndian(Take(4), value);

    public void Bytes(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Take(bytes.Length));

    /// <summary>Text with its length in 32 bits before it.</summary>
    public void Text(string text)
    {
        Number32(System.Text.Encoding.UTF8.GetByteCount(text));
        Bytes(System.Text.Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Sets a 16-bit number that was left open.</summary>
    public void Patch16(int place, int value) => BinaryPrimitives.WriteUInt16BigEndian(_bytes.AsSpan(place), (ushort)value);

    /// <summary>Sets a 32-bit number that was left open.</summary>
    public void Patch32(int place, int value) => BinaryPrimitives.WriteInt32BigEndian(_bytes.AsSpan(place), value);
}
