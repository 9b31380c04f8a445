using System.Buffers.Binary;
using static Strata.Devices.Storage.Nvme.NvmeRegisters;

namespace Strata.Devices.Storage.Nvme;

/// <content>Commands for the namespace, and where their data is. On the worker's thread, outside of the lock.</content>
public sealed partial class NvmeController
{
    private const int SectorSize = 512;
    private const int RangeSize = 16;
    private const uint Deallocate = 1 << 2; // in CDW11 of dataset management

    private ushort ExecuteIo(in NvmeCommand command)
    {
        if (command.UsesWhatIsNotThere)
        {
            return InvalidField;
        }

        bool isFlush = command.Opcode == Flush;
        if (command.Namespace != NamespaceId && !(isFlush && command.Namespace == AllNamespaces))
        {
            return InvalidNamespace;
        }

        switch (command.Opcode)
        {
            case Flush:
                _disk.Flush();
                return Success;
            case Read:
            case Write:
                return Transfer(command);
            case WriteZeroes:
                return ClearBlocks(command);
            case DatasetManagement:
                return Discard(command);
            default:
                return InvalidOpcode;
        }
    }

    private ushort Transfer(in NvmeCommand command)
    {
        if (FindRange(command, out long offset, out long length) is not Success and var outside)
        {
            return outside;
        }

        bool writes = command.Opcode == Write;
        if (writes && _disk.IsReadOnly)
        {
            return WriteProtected;
        }

        if (length > LargestTransfer)
        {
            return InvalidField;
        }

        if (FindData(command, (int)length) is not Success and var wrong)
        {
            return wrong;
        }

        bool isRam = writes ? _buffer.TryWrite(_disk, offset) : _buffer.TryRead(_disk, offset);
        if (!isRam)
        {
            return DataTransferError;
        }

        if (writes)
        {
            Stabilize(command);
        }

        return Success;
    }

    private ushort ClearBlocks(in NvmeCommand command)
    {
        if (FindRange(command, out long offset, out long length) is not Success and var outside)
        {
            return outside;
        }

        if (_disk.IsReadOnly)
        {
            return WriteProtected;
        }

        _disk.WriteZeros(offset, length);
        Stabilize(command);
        return Success;
    }

    /// <summary>Dataset management: ranges that the guest needs no longer; other attributes are hints.</summary>
    private ushort Discard(in NvmeCommand command)
    {
        int count = (int)(command.Dword10 & 0xFF) + 1;
        Span<byte> ranges = stackalloc byte[count * RangeSize];
        if (FindData(command, ranges.Length) is not Success and var wrong)
        {
            return wrong;
        }

        if (!_buffer.TryGather(ranges))
        {
            return DataTransferError;
        }

        if ((command.Dword11 & Deallocate) == 0)
        {
            return Success;
        }

        if (_disk.IsReadOnly)
        {
            return WriteProtected;
        }

        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> range = ranges[(i * RangeSize)..];
            uint blocks = BinaryPrimitives.ReadUInt32LittleEndian(range[4..]);
            ulong first = BinaryPrimitives.ReadUInt64LittleEndian(range[8..]);
            if (first > (ulong)_disk.Sectors || blocks > (ulong)_disk.Sectors - first)
            {
                return LbaOutOfRange;
            }

            if (blocks > 0)
            {
                _disk.Discard((long)first * SectorSize, (long)blocks * SectorSize);
            }
        }

        return Success;
    }

    /// <summary>FUA, and a guest that has turned the cache off: a write is complete when it is on stable storage.</summary>
    private void Stabilize(in NvmeCommand command)
    {
        const uint forceUnitAccess = 1 << 30;
        if ((command.Dword12 & forceUnitAccess) != 0 || (Volatile.Read(ref _features[VolatileWriteCache]) & 1) == 0)
        {
            _disk.Flush();
        }
    }

    /// <summary>SLBA and NLB, in bytes.</summary>
    private ushort FindRange(in NvmeCommand command, out long offset, out long length)
    {
        ulong first = command.Dword10 | ((ulong)command.Dword11 << 32);
        uint blocks = (command.Dword12 & 0xFFFF) + 1;
        bool isInside = first < (ulong)_disk.Sectors && blocks <= (ulong)_disk.Sectors - first;
        (offset, length) = isInside ? ((long)first * SectorSize, (long)blocks * SectorSize) : (0, 0);
        return isInside ? Success : LbaOutOfRange;
    }

    /// <summary>
    /// Fills the buffer from PRP 1 and 2. Base specification, "Physical Region Page Entry and List": the first may begin inside a page, PRP
    /// 2 is the second page or a list, and the last entry of a list that is full points to the next one.
    /// </summary>
    private ushort FindData(in NvmeCommand command, int length)
    {
        _buffer.Clear();
        int offset = (int)(command.Prp1 & (PageSize - 1));
        if ((offset & 3) != 0)
        {
            return InvalidPrpOffset;
        }

        int first = Math.Min(length, PageSize - offset);
        _buffer.TryAdd(command.Prp1, first);
        int left = length - first;
        if (left == 0)
        {
            return Success;
        }

        if (left > PageSize)
        {
            return FollowList(command.Prp2, left);
        }

        _buffer.TryAdd(command.Prp2, left);
        return (command.Prp2 & (PageSize - 1)) == 0 ? Success : InvalidPrpOffset;
    }

    /// <summary>Each round takes a page of data or goes on to another list, which takes the list's last entry: both end.</summary>
    private ushort FollowList(ulong list, int left)
    {
        const int entrySize = 8;
        if ((list & (entrySize - 1)) != 0)
        {
            return InvalidPrpOffset;
        }

        int links = LargestTransfer / PageSize;
        while (left > 0)
        {
            if (!_memory.TryGetSpan(list, entrySize, out ReadOnlySpan<byte> bytes))
            {
                return DataTransferError;
            }

            ulong entry = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
            bool isLast = (list & (PageSize - 1)) == PageSize - entrySize;
            if ((entry & (PageSize - 1)) != 0 || (isLast && left > PageSize && links-- == 0))
            {
                return InvalidPrpOffset;
            }

            if (isLast && left > PageSize)
            {
                list = entry;
                continue;
            }

            int count = Math.Min(left, PageSize);
            _buffer.TryAdd(entry, count);
            left -= count;
            list += entrySize;
        }

        return Success;
    }
}
