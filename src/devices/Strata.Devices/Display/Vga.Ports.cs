using Strata.Core.Bus;
using static Strata.Devices.Display.VgaRegisters;

namespace Strata.Devices.Display;

/// <content>Registers. Ports are seen as a monochrome or colour adapter has them; the chip answers at one of the two.</content>
public sealed partial class Vga
{
    private const long FrameNanoseconds = 14_285_714; // 70 Hz
    private const long LineNanoseconds = 31_778;
    private const long RetraceBegin = FrameNanoseconds * 95 / 100;
    private const long BlankBegin = LineNanoseconds * 80 / 100;
    private const int AttributeIndexMask = 0x1F;

    /// <summary>Ports 3C0h to 3CFh.</summary>
    public IPortDevice CommonPorts => new PortView(this, 0x3C0);

    /// <summary>Ports 3B4h to 3BAh of a monochrome adapter; count 7.</summary>
    public IPortDevice MonochromePorts => new PortView(this, 0x3B4);

    /// <summary>Ports 3D4h to 3DAh of a colour adapter; count 7.</summary>
    public IPortDevice ColorPorts => new PortView(this, 0x3D4);

    /// <summary>Ports 1CEh to 1D0h: the Bochs display interface.</summary>
    public IPortDevice VbePorts => new VbePortView(this);

    /// <summary>The registers in the memory BAR of 4 KiB: 400h VGA ports from 3C0h on, 500h display interface, 600h byte order.</summary>
    public IMmioDevice RegisterWindow => new RegisterView(this);

    private byte ReadRegister(int port)
    {
        switch (port)
        {
            case 0x3C0:
                return _attributeHoldsData ? (byte)0 : _attributeIndex;
            case 0x3C1:
                return (_attributeIndex & AttributeIndexMask) is var attribute and < AttributeCount ? _attributes[attribute] : (byte)0;
            case 0x3C4:
                return _sequencerIndex;
            case 0x3C5:
                return _sequencer[_sequencerIndex % SequencerCount];
            case 0x3C6:
                return _pixelMask;
            case 0x3C7:
                return (byte)(_dacReads ? 3 : 0);
            case 0x3C8:
                return _dacWriteIndex;
            case 0x3C9:
                return ReadDac();
            case 0x3CA:
                return _feature;
            case 0x3CC:
                return _miscellaneous;
            case 0x3CE:
                return _graphicsIndex;
            case 0x3CF:
                return _graphics[_graphicsIndex % GraphicsCount];
            case 0x3B4 or 0x3D4:
                return _crtcIndex;
            case 0x3B5 or 0x3D5:
                return _crtcIndex < CrtcCount ? _crtc[_crtcIndex] : (byte)0;
            case 0x3BA or 0x3DA:
                _attributeHoldsData = false;
                return ReadStatus();
            default:
                return 0;
        }
    }

    private void WriteRegister(int port, byte value)
    {
        switch (port)
        {
            case 0x3C0:
                WriteAttribute(value);
                break;
            case 0x3C2:
                _miscellaneous = value;
                break;
            case 0x3C4:
                _sequencerIndex = (byte)(value & (SequencerCount - 1));
                break;
            case 0x3C5:
                _sequencer[_sequencerIndex % SequencerCount] = value;
                break;
            case 0x3C6:
                _pixelMask = value;
                break;
            case 0x3C7:
                (_dacReadIndex, _dacComponent, _dacReads) = (value, 0, true);
                break;
            case 0x3C8:
                (_dacWriteIndex, _dacComponent, _dacReads) = (value, 0, false);
                break;
            case 0x3C9:
                WriteDac(value);
                break;
            case 0x3CE:
                _graphicsIndex = (byte)(value & (GraphicsCount - 1));
                break;
            case 0x3CF:
                _graphics[_graphicsIndex % GraphicsCount] = value;
                break;
            case 0x3B4 or 0x3D4:
                _crtcIndex = value;
                break;
            case 0x3B5 or 0x3D5:
                WriteCrtc(value);
                break;
            case 0x3BA or 0x3DA:
                _feature = value;
                break;
            default:
                break;
        }
    }

    /// <summary>A program that waits for the beam sees it move with time.</summary>
    private byte ReadStatus()
    {
        long phase = _clock.Now % FrameNanoseconds;
        bool retrace = phase >= RetraceBegin;
        bool blank = retrace || phase % LineNanoseconds >= BlankBegin;
        return (byte)((retrace ? VerticalRetrace : 0) | (blank ? NotDisplaying : 0));
    }

    private void WriteAttribute(byte value)
    {
        if (!_attributeHoldsData)
        {
            _attributeIndex = (byte)(value & (PaletteSource | AttributeIndexMask));
        }
        else if ((_attributeIndex & AttributeIndexMask) is var index and < AttributeCount)
        {
            bool isPalette = index < 16;
            if (!isPalette || (_attributeIndex & PaletteSource) == 0)
            {
                _attributes[index] = (byte)(isPalette ? value & 0x3F : value);
            }
        }

        _attributeHoldsData = !_attributeHoldsData;
    }

    private void WriteCrtc(byte value)
    {
        if (_crtcIndex >= CrtcCount)
        {
            return;
        }

        if (_crtcIndex <= Overflow && (_crtc[RetraceEnd] & ProtectTiming) != 0)
        {
            const byte lineCompareBit = 1 << 4; // the one bit that is not protected
            if (_crtcIndex == Overflow)
            {
                _crtc[Overflow] = (byte)((_crtc[Overflow] & ~lineCompareBit) | (value & lineCompareBit));
            }

            return;
        }

        _crtc[_crtcIndex] = value;
    }

    private byte ReadDac()
    {
        byte value = _dac[(_dacReadIndex * 3) + _dacComponent];
        if (++_dacComponent == 3)
        {
            (_dacComponent, _dacReadIndex) = (0, (byte)(_dacReadIndex + 1));
        }

        return value;
    }

    private void WriteDac(byte value)
    {
        if (!_vbe.HasWideDac)
        {
            value &= 0x3F;
        }

        if (_dacComponent < 2)
        {
            _dacLatch[_dacComponent++] = value;
            return;
        }

        (_dac[_dacWriteIndex * 3], _dac[(_dacWriteIndex * 3) + 1], _dac[(_dacWriteIndex * 3) + 2]) = (_dacLatch[0], _dacLatch[1], value);
        (_dacComponent, _dacWriteIndex) = (0, (byte)(_dacWriteIndex + 1));
    }

    private void WriteVbe(int index, ushort value)
    {
        TakeWindowBack(); // before the memory is cleared
        bool clears = _vbe.Write(index, value);
        ReviewPlanes();
        if (clears)
        {
            using Core.Memory.DmaWrite write = Memory.BeginWrite(0, (int)Math.Min((long)_vbe.LineBytes * _vbe.Height, (long)Memory.Size));
            write.Span.Clear();
        }
    }

    /// <summary>Whether a port is the colour or monochrome adapter's that the chip is not now.</summary>
    private bool IsOtherAdapter(int port) => (port & 0xFFE0) == 0x3A0
        ? (_miscellaneous & MiscColor) != 0
        : port >= 0x3D0 && (_miscellaneous & MiscColor) == 0;

    private uint ReadPorts(int port, AccessWidth width)
    {
        lock (_gate)
        {
            uint value = 0;
            for (int i = 0; i < (int)width; i++)
            {
                byte part = IsOtherAdapter(port + i) ? byte.MaxValue : ReadRegister(port + i);
                value |= (uint)part << (8 * i);
            }

            return value;
        }
    }

    private void WritePorts(int port, AccessWidth width, uint value)
    {
        lock (_gate)
        {
            for (int i = 0; i < (int)width; i++)
            {
                if (!IsOtherAdapter(port + i))
                {
                    WriteRegister(port + i, (byte)(value >> (8 * i)));
                }
            }

            ReviewPlanes();
            ReviewWindow();
            NoteChange();
        }
    }

    private sealed class PortView(Vga owner, int first) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width) => owner.ReadPorts(first + offset, width);

        public void WritePort(ushort offset, AccessWidth width, uint value) => owner.WritePorts(first + offset, width, value);
    }

    private sealed class VbePortView(Vga owner) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width)
        {
            lock (owner._gate)
            {
                return offset == 0 ? owner._vbeIndex : owner._vbe.Read(owner._vbeIndex);
            }
        }

        public void WritePort(ushort offset, AccessWidth width, uint value)
        {
            lock (owner._gate)
            {
                if (offset == 0)
                {
                    owner._vbeIndex = (ushort)value;
                }
                else if (width == AccessWidth.Word)
                {
                    owner.WriteVbe(owner._vbeIndex, (ushort)value);
                    owner.NoteChange();
                }
            }
        }
    }

    private sealed class RegisterView(Vga owner) : IMmioDevice
    {
        private const ulong VgaStart = 0x400;
        private const ulong VgaCount = 0x20;
        private const ulong VbeStart = 0x500;
        private const ulong VbeSize = VbeRegisters.Count * 2;
        private const ulong ByteOrder = 0x604;
        private const uint LittleEndian = 0x1E1E_1E1E;

        public ulong ReadMmio(ulong offset, AccessWidth width)
        {
            if (offset is >= VgaStart and < VgaStart + VgaCount)
            {
                return owner.ReadPorts(0x3C0 + (int)(offset - VgaStart), width);
            }

            if (offset is >= VbeStart and < VbeStart + VbeSize)
            {
                lock (owner._gate)
                {
                    return owner._vbe.Read((int)(offset - VbeStart) >> 1);
                }
            }

            return offset switch
            {
                0x600 => 8, // bytes of the registers from here on
                ByteOrder => LittleEndian,
                _ => 0,
            };
        }

        public void WriteMmio(ulong offset, AccessWidth width, ulong value)
        {
            if (offset is >= VgaStart and < VgaStart + VgaCount)
            {
                owner.WritePorts(0x3C0 + (int)(offset - VgaStart), width, (uint)value);
            }
            else if (offset is >= VbeStart and < VbeStart + VbeSize && width == AccessWidth.Word)
            {
                lock (owner._gate)
                {
                    owner.WriteVbe((int)(offset - VbeStart) >> 1, (ushort)value);
                    owner.NoteChange();
                }
            }
        }
    }
}
