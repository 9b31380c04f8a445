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
        int place = oddEven ? at >> 1 : at;
        if ((ulong)place * 4 >= Memory.Size)
        {
            return byte.MaxValue;
        }

        byte read = ReadThroughLatch(ReadPlanes(place));
        return oddEven && !_rules.Compares ? (byte)(_latch >> (8 * ((_graphics[ReadMap] & 2) | (at & 1)))) : read;
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

    private void Put(ulong at, ReadOnlySpan<byte> bytes)
    {
        using DmaWrite write = Memory.BeginWrite(at, bytes.Length);
        bytes.CopyTo(write.Span);
    }

    private sealed class WindowView(Vga owner) : IMmioDevice
    {
        public ulong ReadMmio(ulong offset, AccessWidth width)
        {
            if (owner.TryReadPlanar(offset, width, out ulong planar))
            {
                return planar;
            }

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
            if (owner.TryWritePlanar(offset, width, value))
            {
                return;
            }

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
