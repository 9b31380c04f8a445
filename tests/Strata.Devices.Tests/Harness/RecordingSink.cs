using Strata.Core.Interrupts;

namespace Strata.Devices.Tests.Harness;

/// <summary>An interrupt controller that remembers levels and messages.</summary>
internal sealed class RecordingSink : IInterruptSink, IMsiSink
{
    public List<(int Pin, bool High)> Levels { get; } = [];

    public List<(ulong Address, uint Data)> Messages { get; } = [];

    public int RisingEdges => Levels.Count(level => level.High);

    public InterruptLine Line(int pin = 0) => new(this, pin);

    public void SetPin(int pin, bool high) => Levels.Add((pin, high));

    public void Send(ulong address, uint data) => Messages.Add((address, data));
}
