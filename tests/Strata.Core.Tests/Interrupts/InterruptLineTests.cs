using Strata.Core.Interrupts;

namespace Strata.Core.Tests.Interrupts;

public sealed class InterruptLineTests
{
    private readonly Sink _sink = new();

    [Fact]
    public void Set_SameLevelAgain_ReachesTheControllerOnce()
    {
        InterruptLine line = new(_sink, 5);

        line.Set(false);
        line.Set(true);
        line.Set(true);
        line.Set(false);

        Assert.Equal([(5, true), (5, false)], _sink.Levels);
    }

    [Fact]
    public void Pulse_LowLine_RisesAndFalls()
    {
        InterruptLine line = new(_sink, 1);

        line.Pulse();

        Assert.Equal([(1, true), (1, false)], _sink.Levels);
        Assert.False(line.IsHigh);
    }

    [Fact]
    public void Restore_High_IsNoEdgeForTheController()
    {
        InterruptLine line = new(_sink, 1);

        line.Restore(true);
        line.Set(true);
        Assert.Empty(_sink.Levels);

        line.Set(false);
        Assert.Equal([(1, false)], _sink.Levels);
    }

    [Fact]
    public void Restore_SharedWire_StaysHighUntilTheLastOneFalls()
    {
        SharedInterruptLine wire = new(new InterruptLine(_sink, 1));
        InterruptLine first = wire.CreateInput();
        InterruptLine second = wire.CreateInput();

        first.Restore(true);
        second.Restore(true);
        first.Set(false);
        Assert.Empty(_sink.Levels);

        second.Set(false);
        Assert.Equal([(1, false)], _sink.Levels);
    }

    private sealed class Sink : IInterruptSink
    {
        public List<(int Pin, bool High)> Levels { get; } = [];

        public void SetPin(int pin, bool high) => Levels.Add((pin, high));
    }
}
