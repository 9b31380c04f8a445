namespace Strata.Core.Interrupts;

/// <summary>A wire that several devices pull, as PCI's INTx pins: high while any input is. Safe on any thread.</summary>
public sealed class SharedInterruptLine(InterruptLine output) : IInterruptSink
{
    /// <summary>Most inputs one wire takes.</summary>
    public const int MaxInputs = 64;

    private readonly Lock _gate = new();
    private int _inputs;
    private ulong _high; // one bit an input, under _gate

    /// <summary>One more device on the wire; while the machine is built.</summary>
    public InterruptLine CreateInput() => _inputs < MaxInputs
        ? new InterruptLine(this, _inputs++)
        : throw new InvalidOperationException($"An interrupt wire takes {MaxInputs} devices.");

    void IInterruptSink.SetPin(int pin, bool high)
    {
        lock (_gate)
        {
            Note(pin, high);
            output.Set(_high != 0);
        }
    }

    void IInterruptSink.RestorePin(int pin, bool high)
    {
        lock (_gate)
        {
            Note(pin, high);
            output.Restore(_high != 0);
        }
    }

    private void Note(int pin, bool high)
    {
        ulong bit = 1UL << pin;
        _high = high ? _high | bit : _high & ~bit;
    }
}
