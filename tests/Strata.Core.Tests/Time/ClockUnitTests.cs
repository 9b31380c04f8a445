using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Core.Time;

namespace Strata.Core.Tests.Time;

public sealed class ClockUnitTests
{
    private const long Second = 1_000_000_000;
    private static readonly DateTime Origin = new(2026, 11, 30, 12, 0, 0, DateTimeKind.Utc);

    [Fact]
    public void RealTimeClock_AsUnit_HoldsTheContract()
    {
        using RealTimeClock clock = new();
        clock.LoadState(new ClockState { Now = 5 * Second });

        UnitContract.Check(clock);
    }

    [Fact]
    public void ManualClock_AsUnit_HoldsTheContract()
    {
        ManualClock clock = new();
        clock.Advance(5 * Second);

        UnitContract.Check(clock);
    }

    [Fact]
    public void RealTimeClock_LoadedAndStarted_GoesOnFromThere()
    {
        using RealTimeClock clock = new();
        clock.LoadState(new ClockState { Now = 100 * Second });
        Assert.Equal(100 * Second, clock.Now);

        clock.Start();

        Assert.InRange(clock.Now, 100 * Second, 130 * Second);
    }

    [Fact]
    public void RealTimeClock_LoadedWhileRunning_IsAnError()
    {
        using RealTimeClock clock = new();
        clock.Start();

        Assert.Throws<InvalidOperationException>(() => clock.LoadState(new ClockState { Now = 1 }));
    }

    [Fact]
    public void Load_TimeOfManyLifetimes_IsRefused()
    {
        ManualClock clock = new();
        StateWriter writer = new();
        writer.WriteRecord(new ClockState { Now = VirtualTime.Latest + 1 });

        Assert.Throws<StateException>(() => ((IUnit)clock).Load(new StateReader(writer.ToArray(), "clock")));
    }

    [Fact]
    public async Task RealTimeClock_Stopped_WaitsForTheCallbackUnderWay()
    {
        using RealTimeClock clock = new();
        using ManualResetEventSlim begun = new();
        using ManualResetEventSlim mayEnd = new();
        bool hasEnded = false;
        using IVirtualTimer timer = clock.CreateTimer(() =>
        {
            begun.Set();
            mayEnd.Wait();
            Volatile.Write(ref hasEnded, true);
        });
        clock.Start();
        timer.Arm(0);
        begun.Wait();

        Task stop = Task.Run(clock.Stop);
        bool waited = await Task.WhenAny(stop, Task.Delay(50)) != stop;
        mayEnd.Set();
        await stop;

        Assert.True(waited);
        Assert.True(Volatile.Read(ref hasEnded));
    }

    [Fact]
    public void WallClock_AsUnit_HoldsTheContract() => UnitContract.Check(new WallClock(new ManualClock(), Origin));

    [Fact]
    public void UtcNow_TimePasses_FollowsFromTheOrigin()
    {
        ManualClock clock = new();
        WallClock wall = new(clock, Origin);

        clock.Advance((90 * Second) + 100);

        Assert.Equal(Origin.AddSeconds(90).AddTicks(1), wall.UtcNow);
        Assert.Equal(DateTimeKind.Utc, wall.UtcNow.Kind);
    }

    [Fact]
    public void Step_ByADay_MovesTheTimeAndTells()
    {
        ManualClock clock = new();
        WallClock wall = new(clock, Origin);
        clock.Advance(Second);
        List<TimeSpan> told = [];
        wall.Stepped += told.Add;

        wall.StepTo(Origin.AddDays(1));

        Assert.Equal(Origin.AddDays(1), wall.UtcNow);
        Assert.Equal(Origin.AddDays(1).AddSeconds(-1), wall.Origin);
        Assert.Equal([TimeSpan.FromSeconds(86_399)], told);
    }

    [Theory]
    [InlineData(long.MinValue)]
    [InlineData(long.MaxValue)]
    public void Step_BeyondTheCalendar_EndsThere(long ticks)
    {
        ManualClock clock = new();
        WallClock wall = new(clock, Origin);

        wall.Step(TimeSpan.FromTicks(ticks));

        clock.Advance(Second);
        Assert.Equal(ticks < 0 ? DateTime.MinValue.AddSeconds(1) : DateTime.MaxValue, wall.UtcNow);
    }

    [Fact]
    public void FollowWorld_MachineBuiltEarlier_TellsTheTimeAtWhichItStarts()
    {
        ManualClock clock = new();
        DateTime world = Origin;
        WallClock wall = new(clock, Origin, () => world);
        world = Origin.AddSeconds(3);

        wall.FollowWorld();
        clock.Advance(Second);

        Assert.Equal(Origin.AddSeconds(4), wall.UtcNow);
    }

    [Fact]
    public void ReadWorld_MachineThatStoodStill_TellsTheWorldsTime()
    {
        ManualClock clock = new();
        clock.Advance(Second);
        WallClock wall = new(clock, Origin, () => Origin.AddDays(1));

        DateTime time = wall.ReadWorld(out long now);

        Assert.Equal((Origin.AddDays(1), Second), (time, now));
        Assert.Equal(Origin.AddSeconds(1), wall.UtcNow);
    }
}
