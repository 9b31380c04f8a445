using Strata.Core.Interrupts;

namespace Strata.Devices.Interrupts;

/// <summary>
/// The interrupt wiring of a PC: ISA lines 0..15 reach the PICs and the I/O APIC, with IRQ 0 on pin 2 of the latter; lines
/// from 16 on reach the I/O APIC only.
/// </summary>
public sealed class IsaInterrupts(IInterruptSink pic, IInterruptSink ioApic) : IInterruptSink
{
    public void SetPin(int pin, bool high)
    {
        if (pin < 16)
        {
            pic.SetPin(pin, high);
        }

        ioApic.SetPin(pin == 0 ? 2 : pin, high);
    }

    public InterruptLine Line(int pin) => new(this, pin);
}
