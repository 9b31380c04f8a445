using Strata.Disks.Images;

namespace Strata.Disks.Blocks;

/// <summary>Several stores one after the other.</summary>
internal sealed class SpannedStore : ByteStore
{
    private readonly ByteStore[] _parts;

    /// <summary>Where each part starts.</summary>
    private readonly long[] _starts;

    public SpannedStore(IEnumerable<ByteStore> parts)
    {
        _parts = [.. parts];
        _starts = new long[_parts.Length];
        foreach ((int index, ByteStore part) in _parts.Index())
        {
            _starts[index] = Length;
            Length += part.Length;
        }
    }

    public override long Length { get; }

    public override void Read(long offset, Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            (ByteStore part, long within, long count) = Find(offset, buffer.Length);
            part.Read(within, buffer[..(int)count]);
            buffer = buffer[(int)count..];
            offset += count;
        }
    }

    public override void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            (ByteStore part, long within, long count) = Find(offset, buffer.Length);
            part.Write(within, buffer[..(int)count]);
            buffer = buffer[(int)count..];
            offset += count;
        }
    }

    public override void WriteZeros(long offset, long length) =>
        ForEach(offset, length, (part, within, count) => part.WriteZeros(within, count));

    public override void Discard(long offset, long length) => ForEach(offset, length, (part, within, count) => part.Discard(within, count));

    public override DiskExtent Map(long offset, long length)
    {
        (ByteStore part, long within, long count) = Find(offset, length);
        return part.Map(within, count);
    }

    public override void Flush()
    {
        foreach (ByteStore part in _parts)
        {
            part.Flush();
        }
    }

    /// <summary>Closes every part, also when closing one of them fails; the first failure is reported.</summary>
    protected override void Dispose(bool disposing)
    {
        if (!disposing)
        {
            return;
        }

        List<Exception> failures = [];
        foreach (ByteStore part in _parts)
        {
            try
            {
                part.Dispose();
            }
            catch (IOException error)
            {
                failures.Add(error);
            }
        }

        if (failures.Count > 0)
        {
            throw new DiskImageException($"A part of the image could not be stored when it was closed: {failures[0].Message}", failures[0]);
        }
    }

    private void ForEach(long offset, long length, Action<ByteStore, long, long> action)
    {
        for (long end = offset + length; offset < end;)
        {
            (ByteStore part, long within, long count) = Find(offset, end - offset);
            action(part, within, count);
            offset += count;
        }
    }

    private (ByteStore Part, long Within, long Count) Find(long offset, long length)
    {
        int index = Array.BinarySearch(_starts, offset);
        index = index < 0 ? ~index - 1 : index;
        long within = offset - _starts[index];
        return (_parts[index], within, Math.Min(length, _parts[index].Length - within));
    }
}
