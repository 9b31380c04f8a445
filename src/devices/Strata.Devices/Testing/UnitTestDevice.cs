using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.State;

namespace Strata.Devices.Testing;

/// <summary>
/// What kvm-unit-tests drive: a scratch register at port 0xE0, interrupt lines from port 0x2000 on, and memory that is reached
/// access by access, as a device is. A machine has it only on request.
/// </summary>
public sealed class UnitTestDevice(IInterruptSink interrupts) : IUnit<UnitTestDeviceState>
{
    /// <summary>Interrupt lines that can be driven.</summary>
    public const int LineCount = 24;

    /// <summary>Bytes of the device memory.</summary>
    public const int MemorySize = 0x10000;

    // Wiring
    private readonly InterruptLine[] _lines = [.. Enumerable.Range(0, LineCount).Select(pin => new InterruptLine(interrupts, pin))];

    // Guest-visible state
    private readonly byte[] _memory = new byte[MemorySize];
    private readonly Lock _lineGate = new(); // the lines' levels
    private uint _scratch;

    public string UnitName => "unit-test-device";

    /// <summary>Memory-mapped bytes at 0xFF000000.</summary>
    public IMmioDevice Memory => new MemoryWindow(_memory);

    /// <summary>Ports 0xE0..0xE3.</summary>
    public IPortDevice Scratch => new ScratchPorts(this);

    /// <summary>Ports 0x2000 + line.</summary>
    public IPortDevice Lines => new LinePorts(this);

    public void Reset()
    {
        Array.Clear(_memory);
        Volatile.Write(ref _scratch, 0);
        lock (_lineGate)
        {
            Array.ForEach(_lines, line => line.Set(false));
        }
    }

    public UnitTestDeviceState SaveState() => new()
    {
        Scratch = Volatile.Read(ref _scratch),
        Lines = [.. _lines.Select(line => line.IsHigh ? (byte)1 : (byte)0)],
        Memory = [.. _memory],
    };

    public void LoadState(UnitTestDeviceState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        Volatile.Write(ref _scratch, state.Scratch);
        state.Memory.CopyTo(_memory, 0);
        for (int i = 0; i < LineCount; i++)
        {
            _lines[i].Restore(state.Lines[i] != 0);
        }
    }

    private sealed class ScratchPorts(UnitTestDevice owner) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width) => Volatile.Read(ref owner._scratch) >> (offset * 8);

        public void WritePort(ushort offset, AccessWidth width, uint value)
        {
            uint mask = (uint)width.Mask() << (offset * 8);
            Volatile.Write(ref owner._scratch, (owner._scratch & ~mask) | ((value << (offset * 8)) & mask));
        }
    }

    private sealed class MemoryWindow(byte[] bytes) : IMmioDevice
    {
        public ulong ReadMmio(ulong offset, AccessWidth width)
        {
            ulong value = 0;
            for (int i = (int)width - 1; i >= 0; i--)
            {
                value = (value << 8) | bytes[(offset + (ulong)i) % MemorySize];
            }

            return value;
        }

        public void WriteMmio(ulong offset, AccessWidth width, ulong value)
        {
            for (int i = 0; i < (int)width; i++)
            {
                bytes[(offset + (ulong)i) % MemorySize] = (byte)(value >> (8 * i));
            }
        }
    }

    private sealed class LinePorts(UnitTestDevice owner) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width) => 0;

        public void WritePort(ushort offset, AccessWidth width, uint value)
        {
            lock (owner._lineGate)
            {
                owner._lines[offset].Set((value & 1) != 0);
            }
        }
    }
}
