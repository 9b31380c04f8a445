using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Memory;
using static Strata.Devices.Display.VgaRegisters;

namespace Strata.Devices.Display;

/// <content>
/// The window from A0000H to BFFFFH: reads and writes of four planes at once, through latches, masks and a rotator.
/// </content>
public sealed partial class Vga
{
    /// <summary>Bytes of the window.</summary>
    public const ulong WindowSize = 0x2_0000;

    private const uint AllPlanes = 0x0101_0101;

    /// <summary>The window as a device.</summary>
    public IMmioDevice Window => new WindowView(this);

    /// <summary>Whether the window leads into a mode of the display interface, in banks.</summary>
    private bool IsBanked => _vbe is { IsEnabled: true, BitsPerPixel: > 4 };

    /// <summary>Where an address of the window is in what the graphics controller decodes; null for nowhere.</summary>
    private int? Decode(ulong offset) => ((_graphics[GraphicsMisc] >> 2) & 3, offset) switch
    {
        _ when (_miscellaneous & MiscMemory) == 0 => null,
        (0, _) => (int)offset,
        (1, < 0x1_0000) => (int)offset + (_vbe.IsEnabled ? _vbe.BankStart : 0),
        (2, >= 0x1_0000 and < 0x1_8000) => (int)offset - 0x1_0000,
        (3, >= 0x1_8000) => (int)offset - 0x1_8000,
        _ => null,
    };

    private byte ReadByte(ulong offset)
    {
        if (Decode(offset) is not { } at)
        {
            return byte.MaxValue;
        }

        if (IsBanked || (_sequencer[MemoryMode] & ChainFour) != 0)
        {
            return (ulong)at < Memory.Size ? Memory.Slice((ulong)at, 1)[0] : byte.MaxValue;
        }

        bool oddEven = (_graphics[GraphicsMode] & OddEven) != 0;
        int plane = oddEven ? (_graphics[ReadMap] & 2) | (at & 1) : _graphics[ReadMap] & 3;
        int place = oddEven ? at >> 1 : at;
        if ((ulong)place * 4 >= Memory.Size)
        {
            return byte.MaxValue;
        }

        _latch = ReadPlanes(place);
        return (_graphics[GraphicsMode] & ReadCompare) == 0 ? (byte)(_latch >> (8 * plane)) : Compare();
    }

    /// <summary>Read mode 1: a bit is set where a pixel has the colour that is looked for, as far as that is cared about.</summary>
    private byte Compare()
    {
        uint differs = (_latch ^ Spread(_graphics[ColorCompare])) & Spread(_graphics[ColorCare]);
        return (byte)~(differs | (differs >> 8) | (differs >> 16) | (differs >> 24));
    }

    private void WriteByte(ulong offset, byte value)
    {
        if (Decode(offset) is not { } at)
        {
            return;
        }

        byte mask = (byte)(_sequencer[MapMask] & 0xF);
        if (IsBanked || (_sequencer[MemoryMode] & ChainFour) != 0)
        {
            if ((ulong)at < Memory.Size && (IsBanked || (mask & (1 << (at & 3))) != 0))
            {
                Put((ulong)at, [value]);
            }

            return;
        }

        int place = at;
        if ((_sequencer[MemoryMode] & SequentialAccess) == 0)
        {
            mask &= (byte)((at & 1) != 0 ? 0b1010 : 0b0101); // odd/even: an address has two planes
            place = at >> 1;
        }

        if ((ulong)place * 4 >= Memory.Size)
        {
            return;
        }

        uint planes = Spread(mask);
        uint result = (Combine(value) & planes) | (ReadPlanes(place) & ~planes);
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, result);
        Put((ulong)place * 4, bytes);
    }

    /// <summary>What the graphics controller makes of a byte that the processor writes: a byte a plane.</summary>
    private uint Combine(byte value)
    {
        byte rotated = RotateRight(value, _graphics[DataRotate] & 7);
        uint setReset = Spread(_graphics[SetReset]);
        uint bits = _graphics[BitMask] * AllPlanes;
        uint data;
        switch (_graphics[GraphicsMode] & 3)
        {
            case 1:
                return _latch;
            case 2:
                data = Spread(value);
                break;
            case 3:
                bits &= rotated * AllPlanes;
                return (setReset & bits) | (_latch & ~bits);
            default:
                uint enabled = Spread(_graphics[EnableSetReset]);
                data = (rotated * AllPlanes & ~enabled) | (setReset & enabled);
                break;
        }

        data = ((_graphics[DataRotate] >> 3) & 3) switch
        {
            1 => data & _latch,
            2 => data | _latch,
            3 => data ^ _latch,
            _ => data,
        };
        return (data & bits) | (_latch & ~bits);
    }

    /// <summary>Each of four bits as a byte of ones or zeros.</summary>
    private static uint Spread(byte planes) =>
        ((planes & 1u) * 0xFF) | ((planes & 2u) * 0x7F80) | ((planes & 4u) * 0x3FC000) | ((planes & 8u) * 0x1FE00000);

    private static byte RotateRight(byte value, int count) => (byte)((value >> count) | (value << (8 - count)));

    private void Put(ulong at, ReadOnlySpan<byte> bytes)
    {
        using DmaWrite write = Memory.BeginWrite(at, bytes.Length);
        bytes.CopyTo(write.Span);
    }

    private sealed class WindowView(Vga owner) : IMmioDevice
    {
        public ulong ReadMmio(ulong offset, AccessWidth width)
        {
            lock (owner._gate)
            {
                owner.CountAccess();
                owner.GiveText();
                ulong value = 0;
                for (int i = 0; i < (int)width; i++)
                {
                    value |= (ulong)owner.ReadByte(offset + (ulong)i) << (8 * i);
                }

                return value;
            }
        }

        public void WriteMmio(ulong offset, AccessWidth width, ulong value)
        {
            lock (owner._gate)
            {
                owner.GiveText(); // of a processor that has the old map yet
                for (int i = 0; i < (int)width; i++)
                {
                    owner.WriteByte(offset + (ulong)i, (byte)(value >> (8 * i)));
                }

                if (owner._form.Kind == WindowKind.Text)
                {
                    owner.TakeText();
                }

                owner.CountAccess();
                owner.NoteChange();
            }
        }
    }
}
