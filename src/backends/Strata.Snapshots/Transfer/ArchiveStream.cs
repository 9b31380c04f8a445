using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Strata.Snapshots.Transfer;

/// <summary>
/// Numbers and blocks of an archive with the digest of all of them. One direction a stream, one thread; the stream beneath is not closed.
/// </summary>
internal sealed class ArchiveStream(Stream stream) : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _number = new byte[sizeof(long)];

    public void Write(ReadOnlySpan<byte> bytes)
    {
        _hash.AppendData(bytes);
        stream.Write(bytes);
    }

    public void Write(long number)
    {
        BinaryPrimitives.WriteInt64LittleEndian(_number, number);
        Write(_number);
    }

    /// <summary>Bytes behind their number.</summary>
    public void WriteBlock(ReadOnlySpan<byte> bytes)
    {
        Write(bytes.Length);
        Write(bytes);
    }

    /// <summary>The digest of what was written, itself no part of it.</summary>
    public void WriteDigest() => stream.Write(_hash.GetHashAndReset());

    /// <exception cref="SnapshotException">The archive ends before.</exception>
    public void Read(Span<byte> target)
    {
        ReadExactly(target);
        _hash.AppendData(target);
    }

    public long ReadNumber()
    {
        Read(_number);
        return BinaryPrimitives.ReadInt64LittleEndian(_number);
    }

    /// <summary>Bytes behind their number; the memory for them grows with what is there, not with what is claimed.</summary>
    /// <exception cref="SnapshotException">There are more than <paramref name="most"/>, or the archive ends before.</exception>
    public byte[] ReadBlock(string what, long most)
    {
        long length = ReadNumber();
        if (length < 0 || length > most)
        {
            throw new SnapshotException(
                $"The archive's {what} claims {length:N0} bytes, and it can have {most:N0} at most: it is damaged, or no snapshot of " +
                $"Strata.");
        }

        using MemoryStream block = new();
        byte[] buffer = new byte[Math.Min(length, 1 << 20)];
        for (long left = length; left > 0; left -= buffer.Length)
        {
            Span<byte> part = buffer.AsSpan(0, (int)Math.Min(left, buffer.Length));
            Read(part);
            block.Write(part);
        }

        return block.ToArray();
    }

    /// <exception cref="SnapshotException">It is not the digest of what was read.</exception>
    public void CheckDigest()
    {
        byte[] expected = _hash.GetHashAndReset();
        byte[] stored = new byte[expected.Length];
        ReadExactly(stored);
        if (!expected.AsSpan().SequenceEqual(stored))
        {
            throw new SnapshotException("The archive is damaged: its content does not have the digest at its end. Copy it again.");
        }
    }

    public void Dispose() => _hash.Dispose();

    private void ReadExactly(Span<byte> target)
    {
        int count;
        try
        {
            count = stream.ReadAtLeast(target, target.Length, throwOnEndOfStream: false);
        }
        catch (Exception error) when (error is InvalidDataException
                or EndOfStreamException
                or ArgumentException
                or InvalidOperationException
                or NotSupportedException
                or NotImplementedException)
        {
            // What the decoder says of bytes that are no frame of its own.
            throw new SnapshotException(
                $"The file is no snapshot that strata snapshot export wrote, or it is damaged: {error.Message}", error);
        }

        if (count < target.Length)
        {
            throw new SnapshotException("The archive ends in the middle: it has been cut off. Copy it again.");
        }
    }
}
