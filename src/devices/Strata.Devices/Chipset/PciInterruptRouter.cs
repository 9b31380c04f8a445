using Strata.Core.Interrupts;

namespace Strata.Devices.Chipset;

/// <summary>
/// The four interrupt links of PCI: each reaches a pin of the I/O APIC of its own, and the ISA line that the bridge routes it to, which
/// several may share. Intel 82371SB (PIIX3) data sheet, "PIRQ[A:D]#". It keeps levels, and no record: see
/// <see cref="SharedInterruptLine"/>.
/// </summary>
public sealed class PciInterruptRouter : IInterruptSink
{
    private const int Links = 4;

    private readonly InterruptLine[] _apicLines;
    private readonly InterruptLine?[] _isaLines;
    private readonly Lock _gate = new();
    private readonly bool[] _levels = new bool[Links];  // under _gate
    private readonly int?[] _routes = new int?[Links];  // under _gate

    /// <param name="apicLine">Of link 0..3.</param>
    /// <param name="isaLine">Of an ISA interrupt that a link can be routed to; null where there is none for PCI.</param>
    public PciInterruptRouter(Func<int, InterruptLine> apicLine, Func<int, InterruptLine?> isaLine)
    {
        ArgumentNullException.ThrowIfNull(apicLine);
        ArgumentNullException.ThrowIfNull(isaLine);
        _apicLines = [.. Enumerable.Range(0, Links).Select(apicLine)];
        _isaLines = [.. Enumerable.Range(0, 16).Select(isaLine)];
    }

    /// <summary>The wire that leads here for one link.</summary>
    public InterruptLine Line(int link) => new(this, link);

    /// <summary>Routes each link to an ISA interrupt, or to none.</summary>
    /// <param name="isLoading">The wires behind have been loaded: they are restored, not driven.</param>
    public void Route(ReadOnlySpan<int?> routes, bool isLoading)
    {
        lock (_gate)
        {
            routes.CopyTo(_routes);
            DriveIsa(isLoading);
        }
    }

    void IInterruptSink.SetPin(int pin, bool high)
    {
        lock (_gate)
        {
            _levels[pin] = high;
            _apicLines[pin].Set(high);
            DriveIsa(isLoading: false);
        }
    }

    void IInterruptSink.RestorePin(int pin, bool high)
    {
        lock (_gate)
        {
            _levels[pin] = high;
            _apicLines[pin].Restore(high);
            DriveIsa(isLoading: true);
        }
    }

    private void DriveIsa(bool isLoading)
    {
        for (int irq = 0; irq < _isaLines.Length; irq++)
        {
            if (_isaLines[irq] is not { } line)
            {
                continue;
            }

            bool high = false;
            for (int link = 0; link < Links; link++)
            {
                high |= _routes[link] == irq && _levels[link];
            }

            if (isLoading)
            {
                line.Restore(high);
            }
            else
            {
                line.Set(high);
            }
        }
    }
}
