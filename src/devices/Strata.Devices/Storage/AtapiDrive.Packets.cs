using System.Buffers.Binary;
using System.Text;

namespace Strata.Devices.Storage;

/// <content>The commands in packets.</content>
public sealed partial class AtapiDrive
{
    private const byte TestUnitReady = 0x00;
    private const byte RequestSense = 0x03;
    private const byte Inquiry = 0x12;
    private const byte StartStopUnit = 0x1B;
    private const byte PreventRemoval = 0x1E;
    private const byte ReadCapacity = 0x25;
    private const byte Read10 = 0x28;
    private const byte Seek = 0x2B;
    private const byte ReadToc = 0x43;
    private const byte GetConfiguration = 0x46;
    private const byte GetEventStatus = 0x4A;
    private const byte ReadDiscInformation = 0x51;
    private const byte ModeSense10 = 0x5A;
    private const byte Read12 = 0xA8;
    private const byte SetSpeed = 0xBB;
    private const byte MechanismStatus = 0xBD;
    private const byte ReadCd = 0xBE;

    private const byte LeadOut = 0xAA;
    private const int MostBlocks = 1 << 21;

    private const ushort NoMedium = 0x3A00;
    private const ushort MediumChanged = 0x2800; // it may be another one
    private const ushort OutOfRange = 0x2100;
    private const ushort InvalidCommand = 0x2000;
    private const ushort InvalidField = 0x2400;
    private const ushort RemovalPrevented = 0x5302;

    private void ExecutePacket(byte[] packet)
    {
        if (_attention != 0 && packet[0] is not (RequestSense or Inquiry or GetConfiguration or GetEventStatus))
        {
            ushort code = _attention;
            _attention = 0;
            Refuse(UnitAttention, code);
            return;
        }

        switch (packet[0])
        {
            case RequestSense:
                ReplySense(packet[4]);
                break;
            case Inquiry:
                Reply(DescribeForInquiry(), packet[4]);
                break;
            case GetEventStatus:
                ReplyEvent(packet);
                break;
            case GetConfiguration:
                Reply(DescribeConfiguration(), Word(packet, 7));
                break;
            case ModeSense10:
                ReplyMode(packet);
                break;
            case StartStopUnit:
                StartStop(packet[4]);
                break;
            case PreventRemoval:
                _isLocked = (packet[4] & 1) != 0;
                Succeed();
                break;
            case MechanismStatus:
                Reply([0, 0, 0, 0, 0, 1, 0, 0], Word(packet, 8));
                break;
            case SetSpeed:
                Succeed();
                break;
            default:
                ExecuteWithMedium(packet);
                break;
        }
    }

    private void ExecuteWithMedium(byte[] packet)
    {
        if (Medium is null)
        {
            Refuse(NotReady, NoMedium);
            return;
        }

        switch (packet[0])
        {
            case TestUnitReady or Seek:
                Succeed();
                break;
            case ReadCapacity:
                byte[] capacity = new byte[8];
                BinaryPrimitives.WriteUInt32BigEndian(capacity, (uint)(Blocks - 1));
                BinaryPrimitives.WriteUInt32BigEndian(capacity.AsSpan(4), BlockSize);
                Reply(capacity, capacity.Length);
                break;
            case Read10:
                Read(DoubleWord(packet, 2), (uint)Word(packet, 7));
                break;
            case Read12:
                Read(DoubleWord(packet, 2), DoubleWord(packet, 6));
                break;
            case ReadCd:
                ReadBlocksOfCd(packet);
                break;
            case ReadToc:
                ReplyToc(packet);
                break;
            case ReadDiscInformation:
                byte[] information = new byte[34];
                (information[1], information[2], information[3], information[4], information[5], information[6], information[7]) =
                    (32, 0x0E, 1, 1, 1, 1, 0x20); // complete, one session, one track
                Reply(information, Word(packet, 7));
                break;
            default:
                Refuse(IllegalRequest, InvalidCommand);
                break;
        }
    }

    private void Read(uint first, uint count)
    {
        if (count > MostBlocks || first > Blocks || count > Blocks - first)
        {
            Refuse(IllegalRequest, OutOfRange);
        }
        else if (count == 0)
        {
            Succeed();
        }
        else
        {
            long length = (long)count * BlockSize;
            BeginToHost(new IdeTransfer
            {
                Kind = IdeTransferKind.FromMedium, IsDma = IsDmaWanted, Start = (long)first * BlockSize, Length = length,
                Block = PartSize(length),
            });
        }
    }

    /// <summary>Data of the blocks alone, which is all that an image has.</summary>
    private void ReadBlocksOfCd(byte[] packet)
    {
        uint count = DoubleWord(packet, 5) & 0xFFFFFF;
        switch (packet[9] & 0xF8)
        {
            case 0:
                Succeed();
                break;
            case 0x10:
                Read(DoubleWord(packet, 2), count);
                break;
            default:
                Refuse(IllegalRequest, InvalidField);
                break;
        }
    }

    private void ReplySense(int wanted)
    {
        if (_senseKey == NoSense && _attention != 0)
        {
            SetSense(UnitAttention, _attention);
            _attention = 0;
        }

        byte[] sense = new byte[18];
        (sense[0], sense[2], sense[7], sense[12], sense[13]) = (0x70, _senseKey, 10, (byte)(_senseCode >> 8), (byte)_senseCode);
        Reply(sense, wanted); // the end of it clears the sense
    }

    private static byte[] DescribeForInquiry()
    {
        byte[] reply = new byte[36];
        (reply[0], reply[1], reply[3], reply[4]) = (5, 0x80, 0x21, 31); // a removable CD drive
        Encoding.ASCII.GetBytes("STRATA  ").CopyTo(reply, 8);
        Encoding.ASCII.GetBytes("STRATA DVD-ROM  ").CopyTo(reply, 16);
        Encoding.ASCII.GetBytes("1.0 ").CopyTo(reply, 32);
        return reply;
    }

    /// <summary>Current profile, and the features that reading needs.</summary>
    private byte[] DescribeConfiguration()
    {
        const int cdBlocks = 360_000; // what is larger is a DVD
        byte profile = Medium is null ? (byte)0 : Blocks > cdBlocks ? (byte)0x10 : (byte)0x08;
        byte[] reply = new byte[40];
        BinaryPrimitives.WriteUInt32BigEndian(reply, (uint)reply.Length - 4);
        reply[7] = profile;
        // profiles
        ((byte[])[0, 0, 3, 8, 0, 0x10, (byte)(profile == 0x10 ? 1 : 0), 0, 0, 0x08, (byte)(profile == 0x08 ? 1 : 0), 0]).CopyTo(reply, 8);
        ((byte[])[0, 1, 3, 8, 0, 0, 0, 2, 0, 0, 0, 0]).CopyTo(reply, 20); // core: ATAPI
        ((byte[])[0, 3, 3, 4, 0x29, 0, 0, 0]).CopyTo(reply, 32); // removable medium: a tray that locks and opens
        return reply;
    }

    private void ReplyEvent(byte[] packet)
    {
        const byte mediaClass = 1 << 4;
        bool polls = (packet[1] & 1) != 0;
        if (!polls)
        {
            Refuse(IllegalRequest, InvalidField);
            return;
        }

        if ((packet[4] & mediaClass) == 0)
        {
            Reply([0, 2, 0x80, mediaClass], Word(packet, 7));
            return;
        }

        const byte open = 1;
        const byte present = 2;
        byte code = (byte)_event;
        _event = MediumEvent.None;
        Reply([0, 6, 4, mediaClass, code, _isOpen ? open : Medium is null ? (byte)0 : present, 0, 0], Word(packet, 7));
    }

    private void ReplyMode(byte[] packet)
    {
        const byte capabilities = 0x2A;
        const byte errorRecovery = 0x01;
        const byte all = 0x3F;
        int page = packet[2] & 0x3F;
        List<byte> reply = [.. new byte[8]];
        reply[2] = (byte)(Medium is null ? 0x70 : 0x01);
        if (page is errorRecovery or all)
        {
            reply.AddRange([errorRecovery, 6, 0, 5, 0, 0, 0, 0]);
        }

        if (page is capabilities or all)
        {
            reply.AddRange([capabilities, 18, 0x3B, 0, 0x70, 0x60, (byte)(
                0x29 | (_isLocked ? 2 : 0)), 0, 0x10, 0xE0, 0, 1, 2, 0, 0x10, 0xE0, 0, 0, 0, 0]);
        }

        if (reply.Count == 8)
        {
            Refuse(IllegalRequest, InvalidField);
            return;
        }

        reply[1] = (byte)(reply.Count - 2);
        Reply([.. reply], Word(packet, 7));
    }

    private void StartStop(byte what)
    {
        const byte start = 1;
        const byte loadEject = 2;
        switch (what & (start | loadEject))
        {
            case loadEject when _isLocked && Medium is not null:
                Refuse(IllegalRequest, RemovalPrevented);
                break;
            case loadEject:
                MoveTray(isOpen: true);
                Succeed();
                break;
            case start | loadEject:
                MoveTray(isOpen: false);
                Succeed();
                break;
            default:
                Succeed();
                break;
        }
    }

    /// <summary>The disc goes with the tray, and comes back with it.</summary>
    private void MoveTray(bool isOpen)
    {
        if (_isOpen == isOpen)
        {
            return;
        }

        bool had = Medium is not null;
        _isOpen = isOpen;
        if (had != Medium is not null)
        {
            NoteMedium();
        }
    }

    private void ReplyToc(byte[] packet)
    {
        bool inMinutes = (packet[1] & 2) != 0;
        int first = packet[6];
        switch (packet[2] & 0xF)
        {
            case 0 when first is 0 or 1 or LeadOut:
                List<byte> toc = [0, 0, 1, 1];
                if (first < LeadOut)
                {
                    toc.AddRange([0, 0x14, 1, 0, .. Address(0, inMinutes)]);
                }

                toc.AddRange([0, 0x14, LeadOut, 0, .. Address((uint)Blocks, inMinutes)]);
                toc[1] = (byte)(toc.Count - 2);
                Reply([.. toc], Word(packet, 7));
                break;
            case 1:
                Reply([0, 10, 1, 1, 0, 0x14, 1, 0, .. Address(0, inMinutes)], Word(packet, 7));
                break;
            default:
                Refuse(IllegalRequest, InvalidField);
                break;
        }
    }

    /// <summary>Of a block: its number, or minutes, seconds and frames.</summary>
    private static byte[] Address(uint block, bool inMinutes)
    {
        uint frame = block + 150;
        return inMinutes
            ? [0, (byte)(frame / (75 * 60)), (byte)(frame / 75 % 60), (byte)(frame % 75)]
            : [(byte)(block >> 24), (byte)(block >> 16), (byte)(block >> 8), (byte)block];
    }

    private static int Word(byte[] packet, int at) => BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(at));

    private static uint DoubleWord(byte[] packet, int at) => BinaryPrimitives.ReadUInt32BigEndian(packet.AsSpan(at));
}
