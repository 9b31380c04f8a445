using System.Buffers.Binary;
using Strata.Core.Storage;
using static Strata.Devices.Storage.Ata;

namespace Strata.Devices.Storage;

/// <summary>A hard disk. ANSI INCITS 361 (ATA/ATAPI-6); TRIM from ANSI INCITS 482 (ACS-2).</summary>
public sealed partial class AtaDisk : IdeDrive
{
    private const int LargestShort = 256;      // sectors of a command with 28-bit addresses
    private const int LargestLong = 65536;
    private const long ShortLimit = 1L << 28;
    private const int TrimEntry = 8;

    private readonly IBlockBackend _disk;
    private readonly string _serial;
    private byte _multiple = MostMultiple;
    private byte _heads;
    private byte _track;
    private bool _hasWriteCache = true;
    private byte _transferMode;

    /// <param name="disk">The drive's from here on.</param>
    /// <param name="serial">Up to 20 ASCII characters.</param>
    public AtaDisk(IBlockBackend disk, string serial)
    {
        ArgumentNullException.ThrowIfNull(disk);
        _disk = disk;
        _serial = serial;
    }

    internal override bool IsPacket => false;

    private bool IsLba => (Device & DeviceLba) != 0;

    internal override void Reset(bool isHard)
    {
        base.Reset(isHard);
        Status = StatusReady | StatusSeekDone;
        if (isHard)
        {
            (_multiple, _heads, _track, _hasWriteCache, _transferMode) = (MostMultiple, Heads, SectorsOfTrack, true, 0);
        }
    }

    internal override void Execute(byte command)
    {
        Error = 0;
        switch (command)
        {
            case ReadSectors or ReadSectorsOld:
                Read(isLong: false, block: 1, isDma: false);
                break;
            case ReadSectorsExt:
                Read(isLong: true, block: 1, isDma: false);
                break;
            case ReadMultiple or ReadMultipleExt when _multiple > 0:
                Read(command == ReadMultipleExt, _multiple, isDma: false);
                break;
            case ReadDma or ReadDmaOld or ReadDmaExt:
                Read(command == ReadDmaExt, block: 1, isDma: true);
                break;
            case WriteSectors or WriteSectorsOld or WriteSectorsExt:
                Write(command == WriteSectorsExt, block: 1, isDma: false);
                break;
            case WriteMultiple or WriteMultipleExt or WriteMultipleFuaExt when _multiple > 0:
                Write(command != WriteMultiple, _multiple, isDma: false, isForced: command == WriteMultipleFuaExt);
                break;
            case WriteDma or WriteDmaOld or WriteDmaExt or WriteDmaFuaExt:
                Write(command is WriteDmaExt or WriteDmaFuaExt, block: 1, isDma: true, isForced: command == WriteDmaFuaExt);
                break;
            case Verify or VerifyOld or VerifyExt:
                CheckRange(command == VerifyExt);
                break;
            case FlushCache or FlushCacheExt:
                Work(_disk.Flush, EndWork);
                break;
            case DataSetManagement when (Features & 1) != 0 && !_disk.IsReadOnly:
                Trim();
                break;
            default:
                ExecuteOther(command);
                break;
        }
    }

    internal override void Fetch(IdeTransfer transfer, long at, Span<byte> buffer)
    {
        if (transfer.Kind == IdeTransferKind.FromReply)
        {
            buffer.Clear();
            transfer.Reply.AsSpan((int)Math.Min(at, transfer.Reply.Length)).Slice(
                0, Math.Min(buffer.Length, Math.Max(transfer.Reply.Length - (int)at, 0))).CopyTo(buffer);
            return;
        }

        _disk.Read(transfer.Start + at, buffer);
    }

    internal override void Store(IdeTransfer transfer, long at, ReadOnlySpan<byte> buffer)
    {
        if (transfer.Kind == IdeTransferKind.Ranges)
        {
            Forget(buffer);
            return;
        }

        _disk.Write(transfer.Start + at, buffer);
    }

    internal override void Settle(IdeTransfer transfer)
    {
        if (transfer.Kind == IdeTransferKind.ToMedium && (transfer.IsForced || !_hasWriteCache))
        {
            _disk.Flush();
        }
    }

    internal override string? FindMismatch(IdeDriveState state)
    {
        IdeTransfer transfer = state.Transfer;
        bool isMedium = transfer.Kind is IdeTransferKind.FromMedium or IdeTransferKind.ToMedium;
        bool fits = (transfer.Start | transfer.Length | transfer.Done | (long)transfer.Block) % SectorSize == 0
            && transfer.Start <= (_disk.Sectors * SectorSize) - transfer.Length;
        _ = state.Decode<AtaDiskState>(IsPacket);
        return isMedium && !fits ? "a transfer lies outside of the disk"
            : transfer.Kind == IdeTransferKind.ToMedium && _disk.IsReadOnly ? "the disk cannot be written"
            : transfer.Kind == IdeTransferKind.Packet ? "a disk takes no packets"
            : null;
    }

    private protected override byte[] SaveOwn() => IdeDriveState.Encode(
        new AtaDiskState
        {
            Multiple = _multiple,
            Heads = _heads,
            Track = _track,
            WriteCache = _hasWriteCache,
            TransferMode = _transferMode,
        },
        IsPacket);

    private protected override void LoadOwn(IdeDriveState state)
    {
        AtaDiskState own = state.Decode<AtaDiskState>(IsPacket);
        (_multiple, _heads, _track, _hasWriteCache, _transferMode) = (own.Multiple, own.Heads, own.Track, own.WriteCache, own.TransferMode);
    }

    private protected override void SetSignature() => SetAddress(1, 1, 0, 0);

    private protected override void Dispose(bool disposing) => _disk.Dispose();

    private protected override void TakeBlock()
    {
        IdeTransfer transfer = Transfer;
        byte[] block = transfer.Buffer[..transfer.Filled];
        bool isLast = transfer.Done + block.Length >= transfer.Length;
        Work(
            () =>
            {
                Store(transfer, transfer.Done, block);
                if (isLast)
                {
                    Settle(transfer);
                }
            },
            isDone =>
            {
                if (!isDone)
                {
                    Fail(ErrorAborted);
                    return;
                }

                transfer.Done += block.Length;
                if (transfer.IsComplete)
                {
                    EndData();
                }
                else
                {
                    BeginFromHost(transfer, interrupts: true);
                }
            });
    }

    private protected override void EndData()
    {
        bool toHost = Transfer.Kind is IdeTransferKind.FromMedium or IdeTransferKind.FromReply;
        bool isDma = Transfer.IsDma;
        Transfer = new IdeTransfer();
        (Status, Error) = (StatusReady | StatusSeekDone, 0);
        if (!toHost || isDma)
        {
            Raise(); // of a read through the data register the last interrupt was that of the last block
        }
    }

    private void Read(bool isLong, int block, bool isDma)
    {
        if (CheckAddress(isLong) is ({ } start, var length))
        {
            Work(() => { }, _ => BeginToHost(new IdeTransfer
            {
                Kind = IdeTransferKind.FromMedium, IsDma = isDma, Start = start, Length = length, Block = block * SectorSize,
            }));
        }
    }

    private void Write(bool isLong, int block, bool isDma, bool isForced = false)
    {
        if (_disk.IsReadOnly)
        {
            Fail(ErrorAborted);
            return;
        }

        if (CheckAddress(isLong) is ({ } start, var length))
        {
            BeginFromHost(
                new IdeTransfer
                {
                    Kind = IdeTransferKind.ToMedium, IsDma = isDma, IsForced = isForced, Start = start, Length = length,
                    Block = block * SectorSize,
                },
                interrupts: false);
        }
    }

    private void CheckRange(bool isLong)
    {
        if (CheckAddress(isLong).Start is not null)
        {
            Complete();
        }
    }

    /// <summary>Ranges of sectors that need not be kept: 48 bits of address and 16 of count each.</summary>
    private void Trim()
    {
        int blocks = CountOf(isLong: true);
        if (blocks * SectorSize > IdeTransfer.LargestBlock)
        {
            Fail(ErrorAborted);
            return;
        }

        BeginFromHost(
            new IdeTransfer { Kind = IdeTransferKind.Ranges, IsDma = true, Length = blocks * SectorSize, Block = blocks * SectorSize },
            interrupts: false);
    }

    private void Forget(ReadOnlySpan<byte> ranges)
    {
        for (int at = 0; at + TrimEntry <= ranges.Length; at += TrimEntry)
        {
            ulong entry = BinaryPrimitives.ReadUInt64LittleEndian(ranges[at..]);
            long first = (long)(entry & 0xFFFF_FFFF_FFFF);
            long count = (long)(entry >> 48);
            if (count > 0 && first <= _disk.Sectors - count)
            {
                _disk.Discard(first * SectorSize, count * SectorSize);
            }
        }
    }

    private int CountOf(bool isLong)
    {
        int count = isLong ? _address[SectorCount] | (_highOrder[SectorCount] << 8) : _address[SectorCount];
        return count > 0 ? count : isLong ? LargestLong : LargestShort;
    }

    /// <summary>The range that the registers name, in bytes; a command that lies outside of the disk fails here.</summary>
    private (long? Start, long Length) CheckAddress(bool isLong)
    {
        long count = CountOf(isLong);
        long? first = FirstSector(isLong);
        if (first is not { } sector || sector > _disk.Sectors - count)
        {
            Fail(ErrorIdNotFound);
            return (null, 0);
        }

        return (sector * SectorSize, count * SectorSize);
    }

    private long? FirstSector(bool isLong)
    {
        if (isLong)
        {
            return _address[LbaLow] | ((long)_address[LbaMid] << 8) | ((long)_address[LbaHigh] << 16)
                | ((long)_highOrder[LbaLow] << 24) | ((long)_highOrder[LbaMid] << 32) | ((long)_highOrder[LbaHigh] << 40);
        }

        if (IsLba)
        {
            return _address[LbaLow] | ((long)_address[LbaMid] << 8) | ((long)_address[LbaHigh] << 16) | ((long)(Device & 0xF) << 24);
        }

        int cylinder = _address[LbaMid] | (_address[LbaHigh] << 8);
        int head = Device & 0xF;
        int sector = _address[LbaLow];
        return sector == 0 || sector > _track || head >= _heads ? null : ((((long)cylinder * _heads) + head) * _track) + sector - 1;
    }

    private void EndWork(bool isDone)
    {
        if (isDone)
        {
            Complete();
        }
        else
        {
            Fail(ErrorAborted);
        }
    }
}
