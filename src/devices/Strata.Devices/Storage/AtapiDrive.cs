using System.Buffers.Binary;
using Strata.Core.Storage;
using static Strata.Devices.Storage.Ata;

namespace Strata.Devices.Storage;

/// <summary>
/// A drive for CDs and DVDs that reads images of their data (ISO 9660). ANSI INCITS 361 (ATA/ATAPI-6), "PACKET command feature set"; ANSI
/// INCITS 360 (MMC-3) for the commands in the packets.
/// </summary>
public sealed partial class AtapiDrive : IdeDrive, IRemovableDrive
{
    internal const int BlockSize = 2048;
    internal const byte LastEvent = (byte)MediumEvent.Gone;
    private const int PacketSize = 12;
    private const int LargestPart = 0xFFFE; // bytes between two interrupts

    private const byte FeatureDma = 1 << 0;

    private const byte NoSense = 0;
    private const byte NotReady = 2;
    private const byte IllegalRequest = 5;
    private const byte UnitAttention = 6;
    private const byte MediumError = 3;

    private readonly string _serial;
    private IBlockBackend? _disc; // read by work without the lock; replaced between two pieces of it
    private bool _isOpen; // the tray, with the disc if there is one
    private byte _senseKey;
    private ushort _senseCode;
    private ushort _attention; // what the next command fails with; 0 for nothing
    private bool _isLocked;
    private byte _transferMode;
    private MediumEvent _event;

    /// <param name="medium">The disc, the drive's from here on; null for an empty drive.</param>
    /// <param name="serial">Up to 20 ASCII characters.</param>
    public AtapiDrive(IBlockBackend? medium, string serial)
    {
        _disc = medium;
        _serial = serial;
    }

    /// <inheritdoc/>
    public bool HasMedium => Channel.Between(() => _disc is not null);

    /// <inheritdoc/>
    public bool IsOpen => Channel.Between(() => _isOpen);

    /// <inheritdoc/>
    public bool IsLocked => Channel.Between(() => _isLocked);

    /// <summary>What the guest is told when it asks for events.</summary>
    private enum MediumEvent : byte
    {
        None = 0,
        EjectWanted = 1,
        New = 2,
        Gone = 3,
    }

    internal override bool IsPacket => true;

    private IPacketBus Channel => (IPacketBus)Bus;

    /// <summary>What the guest finds in the drive.</summary>
    private IBlockBackend? Medium => _isOpen ? null : _disc;

    private long Blocks => BlocksOf(Medium);

    /// <inheritdoc/>
    public void RequestEject() => Channel.Between(() =>
    {
        _event = MediumEvent.EjectWanted;
        return true;
    });

    /// <inheritdoc/>
    public IBlockBackend? Exchange(IBlockBackend? medium) => Channel.Between(() =>
    {
        bool isReading = Transfer.Kind == IdeTransferKind.FromMedium;
        IBlockBackend? old = _disc;
        (_disc, _isOpen, _isLocked) = (medium, false, false);
        NoteMedium();
        if (isReading)
        {
            Channel.GiveUp();
            (byte key, ushort code) = medium is null ? (NotReady, NoMedium) : (UnitAttention, MediumChanged);
            Refuse(key, code);
        }

        return old;
    });

    private static long BlocksOf(IBlockBackend? medium) =>
        medium is null ? 0 : ((medium.Sectors * SectorSize) + BlockSize - 1) / BlockSize;

    /// <summary>Another disc, or none, is in the drive: the guest is told when it asks.</summary>
    private void NoteMedium()
    {
        _event = Medium is null ? MediumEvent.Gone : MediumEvent.New;
        _attention = Medium is null ? _attention : MediumChanged;
    }

    internal override void Reset(bool isHard)
    {
        base.Reset(isHard);
        Status = 0; // not ready for commands but PACKET, which is how a host tells
        if (isHard)
        {
            (_isLocked, _transferMode, _event) = (false, 0, MediumEvent.None);
            SetSense(NoSense, 0);
            _attention = 0x2900; // power-on or reset
        }
    }

    internal override void Execute(byte command)
    {
        Error = 0;
        switch (command)
        {
            case Packet:
                BeginFromHost(
                    new IdeTransfer { Kind = IdeTransferKind.Packet, Length = PacketSize, Block = PacketSize }, interrupts: false);
                break;
            case IdentifyPacket:
                BeginToHost(
                    new IdeTransfer { Kind = IdeTransferKind.FromReply, Reply = Describe(), Length = SectorSize, Block = SectorSize });
                break;
            case DeviceReset:
                Reset(isHard: false);
                break;
            case SetFeatures when Features == 0x03:
                _transferMode = _address[SectorCount];
                Complete();
                break;
            case CheckPowerMode:
                _address[SectorCount] = 0xFF;
                Complete();
                break;
            case FlushCache or (>= 0xE0 and <= 0xE3) or 0xE6 or Nop:
                Complete();
                break;
            case Identify or ReadSectors:
                SetSignature();
                Fail(ErrorAborted);
                break;
            default:
                Fail(ErrorAborted);
                break;
        }
    }

    internal override void Fetch(IdeTransfer transfer, long at, Span<byte> buffer)
    {
        if (transfer.Kind == IdeTransferKind.FromReply)
        {
            buffer.Clear();
            int from = (int)Math.Min(at, transfer.Reply.Length);
            transfer.Reply.AsSpan(from, Math.Min(buffer.Length, transfer.Reply.Length - from)).CopyTo(buffer);
            return;
        }

        ReadMedium(transfer.Start + at, buffer);
    }

    internal override void Store(IdeTransfer transfer, long at, ReadOnlySpan<byte> buffer) =>
        throw new IOException("A disc cannot be written.");

    internal override string? FindMismatch(IdeDriveState state)
    {
        IdeTransfer transfer = state.Transfer;
        return transfer.Kind is IdeTransferKind.ToMedium or IdeTransferKind.Ranges ? "a disc cannot be written"
            : transfer.Kind == IdeTransferKind.Packet && transfer.Buffer.Length != PacketSize ? "a packet has another size"
            : transfer.Kind == IdeTransferKind.FromMedium && transfer.Start > (BlocksOf(_disc) * BlockSize) - transfer.Length
                ? "a transfer lies outside of the disc"
            : state.Decode<AtapiDriveState>(IsPacket).HasMedium && _disc is null ? "the disc that was in the drive is not there"
            : null;
    }

    private protected override byte[] SaveOwn() => IdeDriveState.Encode(
        new AtapiDriveState
        {
            SenseKey = _senseKey,
            SenseCode = _senseCode,
            Attention = _attention,
            IsLocked = _isLocked,
            HasMedium = Medium is not null,
            MediumEvent = (byte)_event,
            TransferMode = _transferMode,
        },
        IsPacket);

    private protected override void LoadOwn(IdeDriveState state)
    {
        AtapiDriveState own = state.Decode<AtapiDriveState>(IsPacket);
        SetSense(own.SenseKey, own.SenseCode);
        (_isLocked, _transferMode, _event, _attention) = (own.IsLocked, own.TransferMode, (MediumEvent)own.MediumEvent, own.Attention);
        _isOpen = !own.HasMedium && _disc is not null; // the guest had it put out
    }

    private protected override void SetSignature() => SetAddress(1, 1, 0x14, 0xEB);

    private protected override void Dispose(bool disposing) => _disc?.Dispose();

    private protected override void AnnounceBlock(bool toHost)
    {
        if (Transfer.Kind == IdeTransferKind.Packet)
        {
            _address[SectorCount] = ReasonCommand;
        }
        else
        {
            _address[SectorCount] = ReasonToHost;
            (_address[LbaMid], _address[LbaHigh]) = ((byte)Transfer.Filled, (byte)(Transfer.Filled >> 8));
        }
    }

    private protected override void TakeBlock()
    {
        byte[] packet = Transfer.Buffer;
        Transfer = new IdeTransfer();
        ExecutePacket(packet);
    }

    private protected override void EndData() => Succeed();

    /// <summary>The command in the packet is done.</summary>
    private void Succeed()
    {
        _address[SectorCount] = ReasonToHost | ReasonCommand;
        (_senseKey, _senseCode) = (NoSense, 0);
        Complete();
    }

    private protected override void Fail(byte error)
    {
        _address[SectorCount] = ReasonToHost | ReasonCommand;
        if (error == ErrorUncorrectable)
        {
            SetSense(MediumError, 0x1100);
            error = (byte)((MediumError << 4) | ErrorAborted);
        }

        base.Fail(error);
    }

    /// <summary>The command in the packet fails; the host asks why.</summary>
    private void Refuse(byte key, ushort code)
    {
        SetSense(key, code);
        Fail((byte)((key << 4) | ErrorAborted));
    }

    private void SetSense(byte key, ushort code) => (_senseKey, _senseCode) = (key, code);

    /// <summary>Sends a reply, as much of it as the host wants.</summary>
    private void Reply(byte[] reply, int wanted)
    {
        int length = Math.Min(reply.Length, wanted);
        if (length == 0)
        {
            Succeed();
            return;
        }

        BeginToHost(
            new IdeTransfer
            {
                Kind = IdeTransferKind.FromReply,
                IsDma = IsDmaWanted,
                Reply = reply,
                Length = length,
                Block = PartSize(length),
            });
    }

    private bool IsDmaWanted => (Features & FeatureDma) != 0;

    /// <summary>Bytes between two interrupts: what the host has put into the byte count, an even number unless it is all.</summary>
    private int PartSize(long length)
    {
        int limit = _address[LbaMid] | (_address[LbaHigh] << 8);
        limit = limit is 0 or 0xFFFF ? LargestPart : limit;
        return limit >= length ? (int)length : Math.Max(limit & ~1, 2);
    }

    private void ReadMedium(long offset, Span<byte> buffer)
    {
        IBlockBackend medium = _disc ?? throw new IOException("There is no disc in the drive.");
        long size = medium.Sectors * SectorSize;
        long first = offset / SectorSize * SectorSize;
        long end = Math.Min((offset + buffer.Length + SectorSize - 1) / SectorSize * SectorSize, size);
        buffer.Clear(); // what an image lacks of its last block
        if (first >= end)
        {
            return;
        }

        if (first == offset && end == offset + buffer.Length)
        {
            medium.Read(offset, buffer);
            return;
        }

        byte[] sectors = new byte[end - first];
        medium.Read(first, sectors);
        ReadOnlySpan<byte> wanted = sectors.AsSpan((int)(offset - first));
        wanted[..Math.Min(wanted.Length, buffer.Length)].CopyTo(buffer);
    }

    private byte[] Describe()
    {
        byte[] words = new byte[SectorSize];
        Put(words, 0, 0x85C0); // a removable CD drive, packets of 12 bytes, ready for them within 50 µs
        AtaDisk.PutText(words, 10, 10, _serial);
        AtaDisk.PutText(words, 23, 4, "1.0");
        AtaDisk.PutText(words, 27, 20, "STRATA DVD-ROM");
        Put(words, 49, 0x0F00);
        Put(words, 53, 6);
        Put(words, 63, 0x0007);
        Put(words, 64, 3);
        foreach (int word in (ReadOnlySpan<int>)[65, 66, 67, 68])
        {
            Put(words, word, 120); // ns
        }

        Put(words, 80, 0x00F0);
        Put(words, 82, 0x4010); // NOP, PACKET
        Put(words, 83, 0x4000);
        Put(words, 84, 0x4000);
        Put(words, 85, 0x4010);
        Put(words, 87, 0x4000);
        Put(words, 88, 0x003F | ((_transferMode & 0xF8) == 0x40 ? 0x100 << (_transferMode & 7) : 0));
        Put(words, 93, 0x6001);
        return words;
    }

    private static void Put(byte[] words, int index, int value) =>
        BinaryPrimitives.WriteUInt16LittleEndian(words.AsSpan(index * 2), (ushort)value);
}
