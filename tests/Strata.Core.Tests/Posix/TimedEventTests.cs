using System.Diagnostics;
using Strata.Core.Posix;

namespace Strata.Core.Tests.Posix;

public sealed class TimedEventTests
{
    private const long Second = 1_000_000_000;

    [Fact]
    public void Wait_EventIsSet_ReturnsAtOnceAndResetsIt()
    {
        using TimedEvent wake = new();
        wake.Set();
        wake.Set();
        long start = Stopwatch.GetTimestamp();

        wake.Wait(60 * Second);
        TimeSpan first = Stopwatch.GetElapsedTime(start);
        start = Stopwatch.GetTimestamp();
        wake.Wait(Second / 50);

        Assert.InRange(first, TimeSpan.Zero, TimeSpan.FromSeconds(30));
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromSeconds(0.02), TimeSpan.FromSeconds(30));
    }

    /// <summary>The number of a closed descriptor is the next one's.</summary>
    [Fact]
    public void Dispose_ASecondTime_LeavesOthersDescriptorsAlone()
    {
        TimedEvent[] old = [.. Enumerable.Range(0, 64).Select(_ => new TimedEvent())];
        Array.ForEach(old, wake => wake.Dispose());
        TimedEvent[] young = [.. Enumerable.Range(0, 64).Select(_ => new TimedEvent())];

        Array.ForEach(old, wake => wake.Dispose());

        Array.ForEach(young, wake => wake.Set());
        long start = Stopwatch.GetTimestamp();
        Array.ForEach(young, wake => wake.Wait(Second));
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(30));
        start = Stopwatch.GetTimestamp();
        young[0].Wait(Second / 50); // a closed descriptor would not be waited for
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromSeconds(0.02), TimeSpan.FromSeconds(30));
        Array.ForEach(young, wake => wake.Dispose());
    }
}
