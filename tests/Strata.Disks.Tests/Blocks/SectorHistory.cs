using System.Buffers.Binary;

namespace Strata.Disks.Tests.Blocks;

/// <summary>
/// What each sector may hold after a stop: the value of the last operation before the last completed flush, or of any operation
/// since. A sector's content is one number, repeated.
/// </summary>
internal sealed class SectorHistory
{
    public const int SectorSize = 512;

    private readonly List<(int Time, long Value)>[] _values;
    private readonly List<(int Start, int End)> _flushes = [];
    private long _lastValue;

    public SectorHistory(int sectors)
    {
        _values = new List<(int, long)>[sectors];
        foreach (ref List<(int, long)> list in _values.AsSpan())
        {
            list = [(-1, 0)];
        }
    }

    /// <returns>The bytes of sectors with these numbers.</returns>
    public static byte[] Content(ReadOnlySpan<long> values)
    {
        byte[] data = new byte[values.Length * SectorSize];
        for (int at = 0; at < data.Length; at += sizeof(long))
        {
            BinaryPrimitives.WriteInt64LittleEndian(data.AsSpan(at), values[at / SectorSize]);
        }

        return data;
    }

    /// <summary>Writes numbers that no sector had before.</summary>
    /// <param name="time">Events recorded before the operation.</param>
    public void Write(DiskImage image, int time, int sector, int count)
    {
        long[] values = new long[count];
        for (int index = 0; index < count; index++)
        {
            values[index] = ++_lastValue;
            _values[sector + index].Add((time, values[index]));
        }

        byte[] data = Content(values);
        image.Write((long)sector * SectorSize, data);
    }

    public void WriteZeros(DiskImage image, int time, int sector, int count)
    {
        for (int index = 0; index < count; index++)
        {
            _values[sector + index].Add((time, 0));
        }

        image.WriteZeros((long)sector * SectorSize, (long)count * SectorSize);
    }

    public void Flush(DiskImage image, Func<int> time)
    {
        int start = time();
        image.Flush();
        _flushes.Add((start, time()));
    }

    /// <summary>Expects every sector to hold a value that it may hold after a stop when so many events had happened.</summary>
    public void ExpectPossible(DiskImage image, int events, string when)
    {
        int flushed = _flushes.Where(flush => flush.End <= events).Select(flush => flush.Start).LastOrDefault(-1);
        byte[] seen = new byte[_values.Length * SectorSize];
        image.Read(0, seen);
        for (int sector = 0; sector < _values.Length; sector++)
        {
            ReadOnlySpan<byte> content = seen.AsSpan(sector * SectorSize, SectorSize);
            long value = BinaryPrimitives.ReadInt64LittleEndian(content);
            bool uniform = content[..^sizeof(long)].SequenceEqual(content[sizeof(long)..]);
            if (!uniform || !IsPossible(_values[sector], value, flushed, events))
            {
                Assert.Fail(
                    $"{when}: sector {sector} holds {value}{(uniform ? "" : " and more")}, flushed at {flushed}, of " +
                    $"{string.Join(' ', _values[sector])}.");
            }
        }
    }

    private static bool IsPossible(List<(int Time, long Value)> values, long value, int flushed, int events)
    {
        int last = values.FindLastIndex(entry => entry.Time <= flushed);
        for (int index = Math.Max(last, 0); index < values.Count && values[index].Time <= events; index++)
        {
            if (values[index].Value == value)
            {
                return true;
            }
        }

        return false;
    }
}
