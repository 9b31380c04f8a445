namespace Strata.X86.Direct.Tests;

/// <summary>Who runs where, by times that are given: no host is measured.</summary>
public sealed class DirectPolicyTests
{
    private const ulong Key = 0x1000;
    private const ulong Mark = 7;
    private const long Tick = 4_000_000;

    [Fact]
    public void NoteTranslated_SpaceComputes_RunsDirectlySoon()
    {
        DirectPolicy policy = new(DirectChoice.Measured);

        int ticks = Translate(policy, events: 10, most: 100);

        Assert.InRange(ticks, 2, 10); // a process that ends at once is not moved, one that goes on is
        Assert.True(policy.IsDirect(Key, Mark));
    }

    /// <summary>A shell's child, a compiler's start: a fault or a call every few microseconds.</summary>
    [Fact]
    public void NoteTranslated_SpaceLivesInEvents_StaysTranslated()
    {
        DirectPolicy policy = new(DirectChoice.Measured);

        Translate(policy, events: 1000, most: 1000);

        Assert.False(policy.IsDirect(Key, Mark));
        Assert.Equal(0, policy.Moves);
    }

    [Fact]
    public void NoteTranslated_TimeIsTheKernels_StaysTranslated()
    {
        DirectPolicy policy = new(DirectChoice.Measured);

        for (int i = 0; i < 1000; i++)
        {
            policy.NoteTranslated(Key, Mark, Tick, isUser: false, events: 1);
        }

        Assert.False(policy.IsDirect(Key, Mark));
    }

    /// <summary>Start-up faults are forgotten within a bounded time.</summary>
    [Fact]
    public void NoteTranslated_ComputesBehindManyEvents_RunsDirectly()
    {
        DirectPolicy policy = new(DirectChoice.Measured);
        Translate(policy, events: 1000, most: 1000);

        int ticks = Translate(policy, events: 0, most: 100);

        Assert.InRange(ticks, 1, 10);
    }

    [Fact]
    public void Settle_EveryEventIsACall_GoesBackBeforeItHasLostTwoMilliseconds()
    {
        DirectPolicy policy = new(DirectChoice.Measured);
        Translate(policy, events: 0, most: 100);

        long lost = RunDirectly(policy, user: 0, most: 10_000);

        Assert.False(policy.IsDirect(Key, Mark));
        Assert.InRange(lost, 1, 2_000_000);
    }

    [Fact]
    public void Settle_SpaceComputes_StaysDirect()
    {
        DirectPolicy policy = new(DirectChoice.Measured);
        Translate(policy, events: 0, most: 100);

        RunDirectly(policy, user: 200_000, most: 10_000);

        Assert.True(policy.IsDirect(Key, Mark));
        Assert.Equal(1, policy.Moves);
    }

    /// <summary>Each time that it loses, it has to compute longer before it is tried again.</summary>
    [Fact]
    public void NoteTranslated_SpaceHasLost_IsTriedLaterEachTime()
    {
        DirectPolicy policy = new(DirectChoice.Measured);
        List<int> ticks = [];

        for (int i = 0; i < 4; i++)
        {
            ticks.Add(Translate(policy, events: 0, most: 1000));
            RunDirectly(policy, user: 0, most: 10_000);
        }

        Assert.Equal(ticks.Order(), ticks);
        Assert.True(ticks[3] >= 4 * ticks[0], string.Join(' ', ticks));
    }

    /// <summary>The page of a top table is used for the next process: that has shown nothing yet.</summary>
    [Fact]
    public void IsDirect_AnotherSpaceHasTheTable_IsTranslated()
    {
        DirectPolicy policy = new(DirectChoice.Measured);
        Translate(policy, events: 0, most: 100);

        bool isDirect = policy.IsDirect(Key, Mark + 1);

        Assert.False(isDirect);
        Assert.False(policy.WasDirect(Key));
    }

    [Fact]
    public void Settle_HostIsOverloaded_GoesOnWhereThereAreFewEvents()
    {
        DirectPolicy policy = new(DirectChoice.Measured);
        Translate(policy, events: 0, most: 100);
        long cpuTime = 0;

        for (int i = 0; i < 1000; i++)
        {
            cpuTime += Tick / 8; // seven others had the processor meanwhile
            if (policy.NoteDirect(1, Tick))
            {
                policy.Settle(cpuTime);
            }
        }

        Assert.True(policy.IsDirect(Key, Mark));
    }

    /// <summary>Ticks in user code until it runs directly, or so many.</summary>
    private static int Translate(DirectPolicy policy, long events, int most)
    {
        int ticks = 0;
        while (ticks < most && !policy.IsDirect(Key, Mark))
        {
            policy.NoteTranslated(Key, Mark, Tick, isUser: true, events);
            ticks++;
        }

        return ticks;
    }

    /// <summary>Events of 8 µs in a stub, until the space is translated again.</summary>
    /// <param name="user">Time of user code before each.</param>
    /// <returns>What the events took.</returns>
    private static long RunDirectly(DirectPolicy policy, long user, int most)
    {
        const long wall = 8_000;
        const long cpu = 3_000;
        long cpuTime = 0;
        long lost = 0;
        for (int i = 0; i < most && policy.IsDirect(Key, Mark); i++)
        {
            cpuTime += user + cpu;
            lost += wall;
            if (policy.NoteDirect(process: 1, user + wall))
            {
                policy.Settle(cpuTime);
            }
        }

        return lost;
    }
}
