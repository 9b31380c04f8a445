using System.Buffers.Binary;
using Strata.Disks.Images;
using L = Strata.Disks.Vhdx.VhdxLayout;

namespace Strata.Disks.Vhdx;

/// <summary>Finds the active sequence of log entries and what it says (*[MS-VHDX]*, "Log Replay").</summary>
internal sealed class VhdxLogReader
{
    /// <summary>An entry may claim any length. Sound entries lie side by side, with remains of older ones at most.</summary>
    private const int ReadingsOfTheLog = 8;

    /// <summary>Bytes by which a replay may lengthen the file: many times what one log can describe.</summary>
    private const long MaximumGrowth = 1L << 40;

    private readonly ImageFile _file;
    private readonly VhdxHeader _header;
    private readonly byte[] _log;
    private readonly Dictionary<int, Entry> _entries = [];

    private VhdxLogReader(ImageFile file, VhdxHeader header)
    {
        _file = file;
        _header = header;
        _log = new byte[header.LogLength];
        file.ReadStructure(header.LogOffset, _log, "log");
    }

    /// <summary>What must be replayed before anything else of the file is read; empty for a file that was closed properly.</summary>
    public static VhdxReplay Read(ImageFile file, VhdxHeader header)
    {
        VhdxReplay replay = new();
        if (header.LogGuid != Guid.Empty)
        {
            VhdxLogReader reader = new(file, header);
            reader.FindEntries();
            foreach (Entry entry in reader.FindSequence())
            {
                reader.Replay(entry, replay);
            }
        }

        return replay;
    }

    private void FindEntries()
    {
        long budget = (long)_log.Length * ReadingsOfTheLog;
        for (int at = 0; at < _log.Length; at += L.PageSize)
        {
            ReadOnlySpan<byte> start = _log.AsSpan(at, L.PageSize);
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(start[L.EntryLength..]);
            bool isOurs = start.StartsWith(L.LogEntrySignature) && new Guid(start.Slice(L.EntryLogGuid, 16)) == _header.LogGuid;
            if (!isOurs || length == 0 || length % L.PageSize != 0 || length > _log.Length)
            {
                continue;
            }

            budget -= length;
            if (budget < 0)
            {
                throw _file.Damaged("its log claims more entries than it can hold");
            }

            byte[] bytes = Copy(at, (int)length);
            if (VhdxChecksum.IsRight(bytes))
            {
                _entries.Add(at, new Entry(at, bytes));
            }
        }
    }

    /// <summary>
    /// The active sequence leads, without a gap, from the tail that its last entry names to that entry, the newest of all.
    /// </summary>
    private List<Entry> FindSequence()
    {
        foreach (Entry head in _entries.Values.OrderByDescending(entry => entry.SequenceNumber))
        {
            List<Entry> sequence = [];
            int at = (int)Math.Min(head.Tail, int.MaxValue);
            while (_entries.TryGetValue(at, out Entry? entry)
                && (sequence.Count == 0 || entry.SequenceNumber == sequence[^1].SequenceNumber + 1))
            {
                sequence.Add(entry);
                if (entry == head)
                {
                    return sequence;
                }

                at = (int)(((long)at + entry.Bytes.Length) % _log.Length);
            }
        }

        return [];
    }

    private void Replay(Entry entry, VhdxReplay replay)
    {
        long flushed = BinaryPrimitives.ReadInt64LittleEndian(entry.Bytes.AsSpan(L.FlushedFileOffset));
        long last = BinaryPrimitives.ReadInt64LittleEndian(entry.Bytes.AsSpan(L.LastFileOffset));
        if (flushed < 0 || flushed > _file.Length || last < 0 || last > _file.Length + MaximumGrowth)
        {
            throw _file.Damaged($"its log was written when the file had {flushed:N0} bytes, and it has {_file.Length:N0}");
        }

        replay.FileLength = Math.Max(replay.FileLength, last);
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(entry.Bytes.AsSpan(L.DescriptorCount));
        long descriptorBytes = L.LogEntryHeaderLength + ((long)count * L.DescriptorLength);
        long dataAt = (descriptorBytes + L.PageSize - 1) / L.PageSize * L.PageSize;
        if (dataAt > entry.Bytes.Length)
        {
            throw _file.Damaged($"a log entry lists {count:N0} changes, more than it holds");
        }

        for (int index = 0; index < count; index++)
        {
            ReadOnlySpan<byte> descriptor = entry.Bytes.AsSpan(L.LogEntryHeaderLength + (index * L.DescriptorLength), L.DescriptorLength);
            dataAt += Replay(entry, descriptor, dataAt, replay);
        }
    }

    /// <returns>Bytes of data that belong to the descriptor.</returns>
    private int Replay(Entry entry, ReadOnlySpan<byte> descriptor, long dataAt, VhdxReplay replay)
    {
        long offset = BinaryPrimitives.ReadInt64LittleEndian(descriptor[L.DescriptorFileOffset..]);
        bool isData = descriptor.StartsWith(L.DataDescriptorSignature);
        long length = isData ? L.PageSize : BinaryPrimitives.ReadInt64LittleEndian(descriptor[L.LeadingBytes..]);
        bool isKnown = isData || descriptor.StartsWith(L.ZeroDescriptorSignature);
        ulong sequence = BinaryPrimitives.ReadUInt64LittleEndian(descriptor[L.DescriptorSequenceNumber..]);
        if (!isKnown || sequence != entry.SequenceNumber || !IsReplayable(offset, length))
        {
            throw _file.Damaged($"a log entry changes {length:N0} bytes at byte {offset:N0}, where no metadata can be");
        }

        if (!isData)
        {
            replay.AddZeros(offset, length);
            return 0;
        }

        if (dataAt > entry.Bytes.Length - L.PageSize)
        {
            throw _file.Damaged("a log entry lacks the data that it lists");
        }

        replay.Add(offset, JoinPage(descriptor, entry, entry.Bytes.AsSpan((int)dataAt, L.PageSize)));
        return L.PageSize;
    }

    private byte[] JoinPage(ReadOnlySpan<byte> descriptor, Entry entry, ReadOnlySpan<byte> sector)
    {
        uint high = BinaryPrimitives.ReadUInt32LittleEndian(sector[4..]);
        uint low = BinaryPrimitives.ReadUInt32LittleEndian(sector[^4..]);
        if (!sector.StartsWith(L.DataSectorSignature) || (((ulong)high << 32) | low) != entry.SequenceNumber)
        {
            throw _file.Damaged("a data sector of its log belongs to no entry");
        }

        byte[] page = new byte[L.PageSize];
        descriptor.Slice(L.LeadingBytes, L.LeadingLength).CopyTo(page);
        sector[L.LeadingLength..^L.TrailingLength].CopyTo(page.AsSpan(L.LeadingLength));
        descriptor.Slice(L.TrailingBytes, L.TrailingLength).CopyTo(page.AsSpan(L.PageSize - L.TrailingLength));
        return page;
    }

    /// <summary>Headers and the log itself are never logged.</summary>
    private bool IsReplayable(long offset, long length)
    {
        bool isWhole = offset % L.PageSize == 0 && length > 0 && length % L.PageSize == 0;
        bool isInside = offset >= L.RegionTable1Offset && offset <= _file.Length + MaximumGrowth - length;
        return isWhole && isInside && (offset >= _header.LogOffset + _header.LogLength || offset + length <= _header.LogOffset);
    }

    /// <returns>A run of the log, which goes on at its start.</returns>
    private byte[] Copy(int at, int length)
    {
        byte[] bytes = new byte[length];
        int first = Math.Min(length, _log.Length - at);
        _log.AsSpan(at, first).CopyTo(bytes);
        _log.AsSpan(0, length - first).CopyTo(bytes.AsSpan(first));
        return bytes;
    }

    private sealed record Entry(int At, byte[] Bytes)
    {
        public ulong SequenceNumber { get; } = BinaryPrimitives.ReadUInt64LittleEndian(Bytes.AsSpan(L.EntrySequenceNumber));

        public uint Tail { get; } = BinaryPrimitives.ReadUInt32LittleEndian(Bytes.AsSpan(L.EntryTail));
    }
}
