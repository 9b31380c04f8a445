using System.Buffers.Binary;
using System.Text;
using static Strata.Devices.Storage.Ata;

namespace Strata.Devices.Storage;

/// <content>What the disk is, and the commands that move no sectors.</content>
public sealed partial class AtaDisk
{
    private const byte Heads = 16;
    private const byte SectorsOfTrack = 63;
    private const int MostCylinders = 16383;
    private const byte ModeKind = 0xF8;
    private const byte UltraDma = 0x40;
    private const byte MultiwordDma = 0x20;

    private int Cylinders => (int)Math.Min(_disk.Sectors / (Heads * SectorsOfTrack), MostCylinders);

    private void ExecuteOther(byte command)
    {
        switch (command)
        {
            case Identify:
                BeginToHost(
                    new IdeTransfer { Kind = IdeTransferKind.FromReply, Reply = Describe(), Length = SectorSize, Block = SectorSize });
                break;
            case SetFeatures:
                ExecuteSetFeatures();
                break;
            case SetMultiple when _address[SectorCount] <= MostMultiple && (_address[SectorCount] & (_address[SectorCount] - 1)) == 0:
                _multiple = _address[SectorCount];
                Complete();
                break;
            case InitializeParameters when _address[SectorCount] > 0:
                (_heads, _track) = ((byte)((Device & 0xF) + 1), _address[SectorCount]);
                Complete();
                break;
            case ReadNativeMax or ReadNativeMaxExt:
                ShowLastSector(command == ReadNativeMaxExt);
                Complete();
                break;
            case CheckPowerMode or 0x98:
                _address[SectorCount] = 0xFF; // active
                Complete();
                break;
            case >= 0x10 and <= 0x1F: // recalibrate
            case >= 0x70 and <= 0x7F: // seek
            case (>= 0xE0 and <= 0xE3) or 0xE6 or (>= 0x94 and <= 0x97) or 0x99: // power modes
                Complete();
                break;
            case IdentifyPacket or Packet:
                SetSignature();
                Fail(ErrorAborted);
                break;
            default:
                Fail(ErrorAborted);
                break;
        }
    }

    private void ExecuteSetFeatures()
    {
        switch (Features)
        {
            case 0x02:
                _hasWriteCache = true;
                Complete();
                break;
            case 0x82:
                _hasWriteCache = false;
                Work(_disk.Flush, EndWork);
                break;
            case 0x03 when (_address[SectorCount] & ModeKind) is 0 or 8 or MultiwordDma or UltraDma:
                _transferMode = _address[SectorCount];
                Complete();
                break;
            case 0x55 or 0xAA or 0x66 or 0xCC:
                Complete();
                break;
            default:
                Fail(ErrorAborted);
                break;
        }
    }

    private void ShowLastSector(bool isLong)
    {
        long last = isLong ? _disk.Sectors - 1 : Math.Min(_disk.Sectors, ShortLimit) - 1;
        SetAddress(_address[SectorCount], (byte)last, (byte)(last >> 8), (byte)(last >> 16));
        if (isLong)
        {
            (_highOrder[LbaLow], _highOrder[LbaMid], _highOrder[LbaHigh]) = ((byte)(last >> 24), (byte)(last >> 32), (byte)(last >> 40));
        }
        else
        {
            Device = (byte)((Device & 0xF0) | (int)(last >> 24));
        }
    }

    /// <summary>The 256 words of IDENTIFY DEVICE.</summary>
    private byte[] Describe()
    {
        byte[] words = new byte[SectorSize];
        Put(words, 0, 0x0040);
        Put(words, 1, Cylinders);
        Put(words, 3, Heads);
        Put(words, 6, SectorsOfTrack);
        PutText(words, 10, 10, _serial);
        PutText(words, 23, 4, "1.0");
        PutText(words, 27, 20, "STRATA DISK");
        Put(words, 47, 0x8000 | MostMultiple);
        Put(words, 49, 0x0F00); // DMA, LBA, IORDY
        Put(words, 50, 0x4000);
        Put(words, 51, 0x0200);
        Put(words, 53, 7);
        long current = (long)Math.Min(Cylinders, _disk.Sectors / Math.Max(_heads * _track, 1)) * _heads * _track;
        Put(words, 54, (int)Math.Min(current / Math.Max(_heads * _track, 1), MostCylinders));
        Put(words, 55, _heads);
        Put(words, 56, _track);
        Put(words, 57, (int)current & 0xFFFF);
        Put(words, 58, (int)(current >> 16));
        Put(words, 59, _multiple == 0 ? 0 : 0x0100 | _multiple);
        long small = Math.Min(_disk.Sectors, ShortLimit - 1);
        Put(words, 60, (int)small & 0xFFFF);
        Put(words, 61, (int)(small >> 16));
        Put(words, 63, 0x0007 | Selected(MultiwordDma));
        Put(words, 64, 3);
        foreach (int word in (ReadOnlySpan<int>)[65, 66, 67, 68])
        {
            Put(words, word, 120); // ns
        }

        PutAbilities(words);
        BinaryPrimitives.WriteInt64LittleEndian(words.AsSpan(100 * 2), _disk.Sectors);
        if (!_disk.IsReadOnly)
        {
            Put(words, 105, IdeTransfer.LargestBlock / SectorSize);
            Put(words, 169, 1); // TRIM
        }

        return words;
    }

    private void PutAbilities(byte[] words)
    {
        int cache = _hasWriteCache ? 1 << 5 : 0;
        Put(words, 80, 0x00F0); // ATA-4 to ATA/ATAPI-7
        Put(words, 82, 0x4020); // NOP, write cache
        Put(words, 83, 0x7400); // flush, flush ext, 48-bit addresses
        Put(words, 84, 0x4040); // forced unit access
        Put(words, 85, 0x4000 | cache);
        Put(words, 86, 0x3400);
        Put(words, 87, 0x4040);
        Put(words, 88, 0x003F | Selected(UltraDma));
        Put(words, 93, 0x6001); // the cable has 80 wires
    }

    /// <summary>The bit of the mode that has been chosen, if it is of this kind.</summary>
    private int Selected(byte kind) => (_transferMode & ModeKind) == kind ? 0x100 << (_transferMode & 7) : 0;

    private static void Put(byte[] words, int index, int value) =>
        BinaryPrimitives.WriteUInt16LittleEndian(words.AsSpan(index * 2), (ushort)value);

    /// <summary>Two characters a word, the first in the upper byte.</summary>
    internal static void PutText(byte[] words, int index, int count, string text)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(text.PadRight(count * 2)[..(count * 2)]);
        for (int i = 0; i < bytes.Length; i++)
        {
            words[(index * 2) + (i ^ 1)] = bytes[i];
        }
    }
}
