using Strata.Core.Bus;
using Strata.Core.State;

namespace Strata.Devices.Display;

/// <summary>
/// The registers of the 6845 CRT controller of a colour text adapter, at ports 0x3D4 (index) and 0x3D5 (data). No screen is behind it: it
/// is there for programs that keep the cursor's place in it. Motorola MC6845 data sheet; IBM Colour/Graphics Monitor Adapter.
/// <code>
/// 0Ah, 0Bh  cursor's first and last line    0Ch, 0Dh  first character shown, high and low    0Eh, 0Fh  cursor, high and low
/// </code>
/// </summary>
public sealed class Crtc6845 : IPortDevice, IUnit<Crtc6845State>
{
    internal const int RegisterCount = 18;
    internal const byte IndexMask = 0x1F;

    private readonly Lock _gate = new();
    private readonly byte[] _registers = new byte[RegisterCount]; // under _gate
    private byte _index; // under _gate

    public string UnitName => "crtc";

    public uint ReadPort(ushort offset, AccessWidth width)
    {
        lock (_gate)
        {
            return offset == 0 ? _index : _index < RegisterCount ? _registers[_index] : 0u;
        }
    }

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        lock (_gate)
        {
            if (offset == 0)
            {
                _index = (byte)(value & IndexMask);
                WriteData(width == AccessWidth.Byte ? null : (byte)(value >> 8)); // a word is both: index below, data above
            }
            else
            {
                WriteData((byte)value);
            }
        }
    }

    public void Reset() => LoadState(new Crtc6845State { Index = 0, Registers = new byte[RegisterCount] });

    public Crtc6845State SaveState()
    {
        lock (_gate)
        {
            return new Crtc6845State { Index = _index, Registers = [.. _registers] };
        }
    }

    public void LoadState(Crtc6845State state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            _index = state.Index;
            state.Registers.CopyTo(_registers, 0);
        }
    }

    private void WriteData(byte? value)
    {
        if (value is { } data && _index < RegisterCount)
        {
            _registers[_index] = data;
        }
    }
}
