using Strata.Core.Bus;
using Strata.Core.Interrupts;

namespace Strata.Devices.Testing;

/// <summary>
/// The ports that kvm-unit-tests drive: a scratch register at 0xE0, a flush at 0xE4, and interrupt lines from 0x2000 on.
/// </summary>
public sealed class UnitTestDevice(IInterruptSink interrupts)
{
    /// <summary>Interrupt lines that can be driven.</summary>
    public const int LineCount = 24;

    private uint _scratch;

    /// <summary>Ports 0xE0..0xE3.</summary>
    public IPortDevice Scratch => new ScratchPorts(this);

    /// <summary>Ports 0x2000 + line.</summary>
    public IPortDevice Lines => new LinePorts(interrupts);

    private sealed class ScratchPorts(UnitTestDevice owner) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width) => Volatile.Read(ref owner._scratch) >> (offset * 8);

        public void WritePort(ushort offset, AccessWidth width, uint value)
        {
            uint mask = (uint)width.Mask() << (offset * 8);
            Volatile.Write(ref owner._scratch, (owner._scratch & ~mask) | ((value << (offset * 8)) & mask));
        }
    }

    private sealed class LinePorts(IInterruptSink sink) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width) => 0;

        public void WritePort(ushort offset, AccessWidth width, uint value) => sink.SetPin(offset, (value & 1) != 0);
    }
}
