using Strata.Core.Interrupts;

namespace Strata.Devices.Timers;

/// <summary>
/// A wire that belongs to an old timer chip until the <see cref="Hpet"/> takes it over. IA-PC HPET Specification 1.0a, "LegacyReplacement
/// Route": while it does, the old chip's interrupt goes nowhere. Safe on any thread.
/// </summary>
public sealed class LegacyInterruptSwitch : IInterruptSink
{
    private const int OriginalInput = 0;
    private const int ReplacementInput = 1;

    private readonly Lock _gate = new();
    private readonly InterruptLine _output;
    private readonly bool[] _levels = new bool[2]; // under _gate, as the next
    private int _selected = OriginalInput;

    /// <param name="output">The wire to the interrupt controllers.</param>
    public LegacyInterruptSwitch(InterruptLine output)
    {
        _output = output;
        Original = new InterruptLine(this, OriginalInput);
        Replacement = new InterruptLine(this, ReplacementInput);
    }

    /// <summary>For the old chip.</summary>
    public InterruptLine Original { get; }

    /// <summary>For the HPET.</summary>
    public InterruptLine Replacement { get; }

    /// <summary>Chooses who drives the wire from now on.</summary>
    /// <param name="restores">The choice was loaded: it is no edge.</param>
    public void Select(bool replacement, bool restores)
    {
        lock (_gate)
        {
            _selected = replacement ? ReplacementInput : OriginalInput;
            if (restores)
            {
                _output.Restore(_levels[_selected]);
            }
            else
            {
                _output.Set(_levels[_selected]);
            }
        }
    }

    void IInterruptSink.SetPin(int pin, bool high)
    {
        lock (_gate)
        {
            _levels[pin] = high;
            if (pin == _selected)
            {
                _output.Set(high);
            }
        }
    }

    void IInterruptSink.RestorePin(int pin, bool high)
    {
        lock (_gate)
        {
            _levels[pin] = high;
            if (pin == _selected)
            {
                _output.Restore(high);
            }
        }
    }
}
