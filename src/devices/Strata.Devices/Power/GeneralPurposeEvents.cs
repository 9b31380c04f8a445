using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.State;

namespace Strata.Devices.Power;

/// <summary>
/// A block of general-purpose events: what a device has to tell that has no interrupt of its own. The system control interrupt leads the
/// guest here, and the event's number to a method in its ACPI tables. ACPI specification 6.4, "General-Purpose Event Registers".
/// <code>
/// +0 GPE0_STS  15..0, one bit an event  (write 1 to clear)
/// +2 GPE0_EN   15..0
/// </code>
/// </summary>
/// <param name="sci">Level-triggered system control interrupt.</param>
public sealed partial class GeneralPurposeEvents(InterruptLine sci) : IPortDevice, IUnit<GeneralPurposeEventsState>
{
    /// <summary>Ports in the range.</summary>
    public const int PortCount = 4;

    /// <summary>Events, numbered from 0.</summary>
    public const int EventCount = 16;

    // Guest-visible state
    private readonly Lock _gate = new();
    private ushort _status; // under _gate, as the next
    private ushort _enable;

    private bool IsSciDue => (_status & _enable) != 0;

    /// <summary>An event has happened. A guest that does not listen yet is told when it does. Any thread.</summary>
    /// <param name="number">0 to <see cref="EventCount"/> - 1.</param>
    public void Signal(int number)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(number, EventCount);
        lock (_gate)
        {
            _status |= (ushort)(1 << number);
            sci.Set(IsSciDue);
        }
    }

    public uint ReadPort(ushort offset, AccessWidth width)
    {
        lock (_gate)
        {
            return (_status | ((uint)_enable << 16)) >> (offset * 8);
        }
    }

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        lock (_gate)
        {
            uint mask = (uint)width.Mask() << (offset * 8);
            uint bits = (value << (offset * 8)) & mask;
            _status &= (ushort)~bits;
            _enable = (ushort)((_enable & ~(mask >> 16)) | (bits >> 16));
            sci.Set(IsSciDue);
        }
    }
}
