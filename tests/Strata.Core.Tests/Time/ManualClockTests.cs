using Strata.Core.Time;

namespace Strata.Core.Tests.Time;

public sealed class ManualClockTests
{
    private readonly ManualClock _clock = new();
    private readonly List<(string Name, long At)> _fired = [];

    [Fact]
    public void Advance_SeveralTimers_FireInDeadlineOrderAtTheirTime()
    {
        Timer("late").Arm(300);
        Timer("early").Arm(100);
        Timer("never").Arm(501);

        _clock.Advance(500);

        Assert.Equal([("early", 100L), ("late", 300L)], _fired);
        Assert.Equal(500, _clock.Now);
        Assert.Equal(501, _clock.NextDeadline);
    }

    [Fact]
    public void Advance_DeadlineInThePast_FiresWithoutGoingBack()
    {
        _clock.Advance(1000);
        Timer("past").Arm(10);

        _clock.Advance(0);

        Assert.Equal([("past", 1000L)], _fired);
    }

    [Fact]
    public void Arm_Again_ReplacesTheDeadline()
    {
        IVirtualTimer timer = Timer("once");
        timer.Arm(100);
        timer.Arm(200);

        _clock.Advance(150);
        Assert.Empty(_fired);
        _clock.Advance(150);

        Assert.Equal([("once", 200L)], _fired);
        Assert.Null(_clock.NextDeadline);
    }

    [Fact]
    public void Disarm_Armed_NeverFires()
    {
        IVirtualTimer timer = Timer("no");
        timer.Arm(100);
        timer.Disarm();
        IVirtualTimer disposed = Timer("no either");
        disposed.Arm(100);
        disposed.Dispose();

        _clock.Advance(1000);

        Assert.Empty(_fired);
    }

    [Fact]
    public void Advance_CallbackArmsAgain_FiresAtEachPeriod()
    {
        List<long> ticks = [];
        IVirtualTimer? timer = null;
        timer = _clock.CreateTimer(() =>
        {
            ticks.Add(_clock.Now);
            timer!.Arm(_clock.Now + 100);
        });
        timer.Arm(100);

        _clock.Advance(350);

        Assert.Equal([100L, 200L, 300L], ticks);
        Assert.Equal(400, _clock.NextDeadline);
    }

    [Fact]
    public void Advance_Negative_Throws() => Assert.Throws<ArgumentOutOfRangeException>(() => _clock.Advance(-1));

    private IVirtualTimer Timer(string name) => _clock.CreateTimer(() => _fired.Add((name, _clock.Now)));

    [Fact]
    public void Advance_BeyondTheLastNanosecond_ThrowsAndStays()
    {
        ManualClock clock = new();
        clock.Advance(1);

        Assert.Throws<ArgumentOutOfRangeException>(() => clock.Advance(long.MaxValue));

        Assert.Equal(1, clock.Now);
    }
}
