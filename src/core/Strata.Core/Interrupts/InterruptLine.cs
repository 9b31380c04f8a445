namespace Strata.Core.Interrupts;

/// <summary>An interrupt controller's view of its input pins.</summary>
public interface IInterruptSink
{
    /// <summary>Drives pin <paramref name="pin"/> to a level. Called on any thread; may take the controller's lock.</summary>
    void SetPin(int pin, bool high);

    /// <summary>
    /// The device behind a pin has been loaded and drives this level. It is no edge: a controller has the levels of its pins in a record of
    /// its own. Only wiring that keeps levels without a record takes notice. While the machine stands still.
    /// </summary>
    void RestorePin(int pin, bool high)
    {
    }
}

/// <summary>Delivers message-signalled interrupts: a 32-bit data word written to an address in 0xFEE00000..0xFEEFFFFF.</summary>
public interface IMsiSink
{
    void Send(ulong address, uint data);
}

/// <summary>
/// The wire from a device to its interrupt controller. The device knows the wire, not the pin behind it.
/// The level is kept here, so that repeated sets cost nothing. Call it under the owning device's lock.
/// </summary>
public sealed class InterruptLine(IInterruptSink sink, int pin)
{
    /// <summary>A wire that leads nowhere, for tests and devices whose interrupt is not routed.</summary>
    public static InterruptLine Unconnected => new(new NullSink(), 0);

    /// <summary>The level that was driven last.</summary>
    public bool IsHigh { get; private set; }

    public void Set(bool high)
    {
        if (IsHigh != high)
        {
            IsHigh = high;
            sink.SetPin(pin, high);
        }
    }

    /// <summary>
    /// The level after a load of the device, in place of <see cref="Set"/>: the controller behind the wire knows it already.
    /// While the machine stands still.
    /// </summary>
    public void Restore(bool high)
    {
        IsHigh = high;
        sink.RestorePin(pin, high);
    }

    /// <summary>A rising and a falling edge, for edge-triggered sources.</summary>
    public void Pulse()
    {
        Set(true);
        Set(false);
    }

    private sealed class NullSink : IInterruptSink
    {
        public void SetPin(int pin, bool high)
        {
        }
    }
}
