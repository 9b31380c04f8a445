using Strata.Core.Time;

namespace Strata.Core.Tests.Time;

#pragma warning disable RS0030 // the host's time is what is tested: it passes by itself

public sealed class RealTimeClockTests : IDisposable
{
    private const long Millisecond = 1_000_000;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly RealTimeClock _clock = new();

    public void Dispose() => _clock.Dispose();

    [Fact]
    public void Now_NotStarted_StandsAtZero()
    {
        Thread.Sleep(5);

        Assert.Equal(0, _clock.Now);
    }

    [Fact]
    public void Stop_Running_FreezesAndStartContinuesFromThere()
    {
        _clock.Start();
        Thread.Sleep(5);
        _clock.Stop();
        long stopped = _clock.Now;
        Thread.Sleep(30);

        Assert.True(stopped >= 5 * Millisecond);
        Assert.Equal(stopped, _clock.Now);

        _clock.Start();
        Assert.InRange(_clock.Now, stopped, stopped + (10_000 * Millisecond));
    }

    [Fact]
    public void Now_Running_NeverGoesBack()
    {
        _clock.Start();
        long last = 0;
        for (int i = 0; i < 10_000; i++)
        {
            long now = _clock.Now;
            Assert.True(now >= last);
            last = now;
        }
    }

    [Fact]
    public void Arm_Deadline_FiresOnceNotBefore()
    {
        using CountdownEvent fired = new(1);
        long at = 0;
        using IVirtualTimer timer = _clock.CreateTimer(() =>
        {
            at = _clock.Now;
            fired.Signal();
        });
        _clock.Start();
        long deadline = _clock.Now + (20 * Millisecond);

        timer.Arm(deadline);

        Assert.True(fired.Wait(Patience));
        Assert.True(at >= deadline);
    }

    [Fact]
    public void Arm_WhileStopped_FiresOnlyAfterStart()
    {
        using ManualResetEventSlim fired = new();
        using IVirtualTimer timer = _clock.CreateTimer(fired.Set);
        timer.Arm(0);

        Assert.False(fired.Wait(30));
        _clock.Start();
        Assert.True(fired.Wait(Patience));
    }

    [Fact]
    public void Arm_EarlierDeadline_WakesTheSleepingClock()
    {
        using ManualResetEventSlim fired = new();
        using IVirtualTimer far = _clock.CreateTimer(() => { });
        using IVirtualTimer near = _clock.CreateTimer(fired.Set);
        _clock.Start();
        far.Arm(3_600_000 * Millisecond);
        Thread.Sleep(5);

        near.Arm(_clock.Now + Millisecond);

        Assert.True(fired.Wait(Patience));
    }

    [Fact]
    public void Arm_SameDeadlineAfterDisarm_FiresOnce()
    {
        int count = 0;
        using ManualResetEventSlim later = new();
        using IVirtualTimer timer = _clock.CreateTimer(() => Interlocked.Increment(ref count));
        using IVirtualTimer marker = _clock.CreateTimer(later.Set);
        timer.Arm(Millisecond);
        timer.Disarm();
        timer.Arm(Millisecond);
        marker.Arm(2 * Millisecond);

        _clock.Start();

        Assert.True(later.Wait(Patience));
        Assert.Equal(1, count);
    }

    [Fact]
    public void Disarm_Armed_DoesNotFire()
    {
        int count = 0;
        using ManualResetEventSlim later = new();
        using IVirtualTimer timer = _clock.CreateTimer(() => Interlocked.Increment(ref count));
        using IVirtualTimer marker = _clock.CreateTimer(later.Set);
        timer.Arm(Millisecond);
        timer.Disarm();
        marker.Arm(2 * Millisecond);

        _clock.Start();

        Assert.True(later.Wait(Patience));
        Assert.Equal(0, count);
    }

    [Fact]
    public void Arm_HostRanNoTimersForLong_TellsBeforeTheNextFires()
    {
        List<string> events = [];
        using ManualResetEventSlim fired = new();
        using RealTimeClock clock = new(TimeSpan.FromMilliseconds(100), () => events.Add("gap"));
        using IVirtualTimer sleeper = clock.CreateTimer(() =>
        {
            events.Add("sleeper");
            Thread.Sleep(200); // the thread does not run meanwhile
        });
        using IVirtualTimer next = clock.CreateTimer(() =>
        {
            events.Add("next");
            fired.Set();
        });
        sleeper.Arm(0);
        next.Arm(Millisecond);

        clock.Start();

        Assert.True(fired.Wait(Patience));
        Assert.Equal("gap", events[events.IndexOf("next") - 1]);
    }

    [Fact]
    public void LookForGap_ClockThreadHeldUp_HasToldWhenItReturns()
    {
        int gaps = 0;
        using ManualResetEventSlim held = new();
        using ManualResetEventSlim release = new();
        using RealTimeClock clock = new(TimeSpan.FromMilliseconds(100), () => Interlocked.Increment(ref gaps));
        using IVirtualTimer timer = clock.CreateTimer(() =>
        {
            held.Set();
            release.Wait(Patience);
        });
        timer.Arm(0);
        clock.Start();
        Assert.True(held.Wait(Patience));
        Interlocked.Exchange(ref gaps, 0); // of a busy host
        Thread.Sleep(150);

        clock.LookForGap();
        int told = gaps;

        release.Set();
        Assert.Equal(1, told);
    }

    [Fact]
    public void Arm_FarDeadlines_AreNoGaps()
    {
        int gaps = 0;
        using ManualResetEventSlim fired = new();
        using RealTimeClock clock = new(Patience, () => gaps++);
        using IVirtualTimer near = clock.CreateTimer(fired.Set);
        using IVirtualTimer never = clock.CreateTimer(() => { });
        never.Arm(long.MaxValue);
        clock.Start();

        near.Arm(clock.Now + (20 * Millisecond));

        Assert.True(fired.Wait(Patience));
        Assert.Equal(0, gaps);
    }

    /// <summary>A guest that programs far deadlines in a loop must not make the host remember each of them.</summary>
    [Fact]
    public void Arm_ManyFarDeadlines_KeepsNoneButTheLast()
    {
        using IVirtualTimer near = _clock.CreateTimer(() => { });
        using IVirtualTimer timer = _clock.CreateTimer(() => { });
        near.Arm(3_600_000 * Millisecond);
        timer.Arm(long.MaxValue / 2);
        long before = GC.GetAllocatedBytesForCurrentThread();

        for (int i = 0; i < 100_000; i++)
        {
            timer.Arm((long.MaxValue / 2) + i);
            timer.Disarm();
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
    }
}
