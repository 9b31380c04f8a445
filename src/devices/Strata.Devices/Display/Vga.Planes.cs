using System.Runtime.InteropServices;
using Strata.Core.Bus;
using static Strata.Devices.Display.VgaRegisters;

namespace Strata.Devices.Display;

/// <content>
/// The four planes at once: a position is one word of four bytes. In planar modes, processors come here without a lock: what the registers
/// say has been worked out when they were written. Processors that change registers while another one draws race as on a real adapter.
/// </content>
public sealed partial class Vga
{
    private const uint AllPlanes = 0x0101_0101;

    // Written under _gate, read by processors without it
    private PlaneRules _rules;
    private volatile bool _isPlanar; // the window leads to the planes, a position for each address

    // Set without a lock behind what has been drawn, before _hasTold is looked at; taken away by who looks, behind _hasTold
    private int _drawn;

    private enum WriteMode
    {
        Data,
        Latches,
        Color,
        Masked,
    }

    /// <summary>Works out the rules after registers have changed. Under _gate.</summary>
    private void ReviewPlanes()
    {
        int map = (_graphics[GraphicsMisc] >> 2) & 3;
        (_rules.Start, _rules.Length) = map switch
        {
            0 => (0UL, WindowSize),
            1 => (0UL, 0x1_0000UL),
            2 => (0x1_0000UL, 0x8000UL),
            _ => (0x1_8000UL, 0x8000UL),
        };
        _rules.MapMask = Spread((byte)(_sequencer[MapMask] & 0xF));
        _rules.BitMask = _graphics[BitMask] * AllPlanes;
        _rules.Mode = (WriteMode)(_graphics[GraphicsMode] & 3);
        _rules.SetReset = Spread(_graphics[SetReset]);
        _rules.Enabled = Spread(_graphics[EnableSetReset]);
        _rules.Rotate = _graphics[DataRotate] & 7;
        _rules.Function = (_graphics[DataRotate] >> 3) & 3;
        _rules.ReadShift = (_graphics[ReadMap] & 3) * 8;
        _rules.Compares = (_graphics[GraphicsMode] & ReadCompare) != 0;
        _isPlanar = (_miscellaneous & MiscMemory) != 0
            && !_vbe.IsEnabled
            && (_sequencer[MemoryMode] & (ChainFour | SequentialAccess)) == SequentialAccess
            && (_graphics[GraphicsMode] & OddEven) == 0
            && _rules.Length * sizeof(uint) <= Memory.Size;
    }

    /// <summary>The word of a position, and what follows.</summary>
    private Span<uint> Planes(int place, int count) =>
        MemoryMarshal.Cast<byte, uint>(Memory.Slice((ulong)place * sizeof(uint), count * sizeof(uint)));

    /// <summary>A read in a planar mode, without a lock.</summary>
    /// <returns>False if it is another mode, or the access does not lie in the window as a whole.</returns>
    private bool TryReadPlanar(ulong offset, AccessWidth width, out ulong value)
    {
        value = 0;
        ulong at = offset - _rules.Start;
        if (!_isPlanar || at >= _rules.Length || (ulong)width > _rules.Length - at || (at + (ulong)width) * sizeof(uint) > Memory.Size)
        {
            return false;
        }

        ReadOnlySpan<uint> planes = Planes((int)at, (int)width);
        for (int i = 0; i < planes.Length; i++)
        {
            value |= (ulong)ReadThroughLatch(planes[i]) << (8 * i);
        }

        return true;
    }

    /// <summary>A write in a planar mode, without a lock.</summary>
    /// <returns>False if it is another mode, or the access does not lie in the window as a whole.</returns>
    private bool TryWritePlanar(ulong offset, AccessWidth width, ulong value)
    {
        ulong at = offset - _rules.Start;
        if (!_isPlanar || at >= _rules.Length || (ulong)width > _rules.Length - at || (at + (ulong)width) * sizeof(uint) > Memory.Size)
        {
            return false;
        }

        ulong first = at * sizeof(uint);
        ulong bytes = (ulong)width * sizeof(uint);
        Memory.PrepareWrite(first, bytes);
        Span<uint> planes = Planes((int)at, (int)width);
        uint mask = _rules.MapMask;
        for (int i = 0; i < planes.Length; i++)
        {
            planes[i] = (Combine((byte)(value >> (8 * i))) & mask) | (planes[i] & ~mask);
        }

        Volatile.Write(ref _drawn, 1);
        Memory.NoteWrite(first, bytes); // its barrier stands between _drawn and _hasTold as well
        if (!Volatile.Read(ref _hasTold))
        {
            lock (_gate)
            {
                NoteChange();
            }
        }

        return true;
    }

    /// <summary>Whether something was drawn without a lock since this was last asked. Under _gate, behind the change of _hasTold.</summary>
    private bool HasBeenDrawn() => Interlocked.Exchange(ref _drawn, 0) != 0;

    /// <summary>What the processor reads of a position, whose planes stay in the latches.</summary>
    private byte ReadThroughLatch(uint planes)
    {
        _latch = planes;
        return _rules.Compares ? Compare(planes) : (byte)(planes >> _rules.ReadShift);
    }

    /// <summary>Read mode 1: a bit is set where a pixel has the colour that is looked for, as far as that is cared about.</summary>
    private byte Compare(uint planes)
    {
        uint differs = (planes ^ Spread(_graphics[ColorCompare])) & Spread(_graphics[ColorCare]);
        return (byte)~(differs | (differs >> 8) | (differs >> 16) | (differs >> 24));
    }

    /// <summary>What the graphics controller makes of a byte that the processor writes: a byte a plane.</summary>
    private uint Combine(byte value)
    {
        uint latch = _latch;
        uint bits = _rules.BitMask;
        uint data;
        switch (_rules.Mode)
        {
            case WriteMode.Latches:
                return latch;
            case WriteMode.Color:
                data = Spread(value);
                break;
            case WriteMode.Masked:
                bits &= RotateRight(value, _rules.Rotate) * AllPlanes;
                return (_rules.SetReset & bits) | (latch & ~bits);
            default:
                data = (RotateRight(value, _rules.Rotate) * AllPlanes & ~_rules.Enabled) | (_rules.SetReset & _rules.Enabled);
                break;
        }

        data = _rules.Function switch
        {
            1 => data & latch,
            2 => data | latch,
            3 => data ^ latch,
            _ => data,
        };
        return (data & bits) | (latch & ~bits);
    }

    /// <summary>Each of four bits as a byte of ones or zeros.</summary>
    private static uint Spread(byte planes) =>
        ((planes & 1u) * 0xFF) | ((planes & 2u) * 0x7F80) | ((planes & 4u) * 0x3FC000) | ((planes & 8u) * 0x1FE00000);

    private static byte RotateRight(byte value, int count) => (byte)((value >> count) | (value << (8 - count)));

    /// <summary>What the registers say about accesses: a byte a plane.</summary>
    private struct PlaneRules
    {
        /// <summary>Where the memory is in the window.</summary>
        public ulong Start;
        public ulong Length;
        public uint MapMask;
        public uint BitMask;
        public uint SetReset;
        public uint Enabled;
        public WriteMode Mode;
        public int Rotate;
        public int Function;
        public int ReadShift;
        public bool Compares;
    }
}
