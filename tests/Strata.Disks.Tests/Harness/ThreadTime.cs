using System.Globalization;

namespace Strata.Disks.Tests.Harness;

/// <summary>What the calling thread has used of a processor: limits on it hold on a busy host too.</summary>
internal static class ThreadTime
{
    /// <summary>The first number of schedstat, in nanoseconds.</summary>
    public static TimeSpan Used =>
        TimeSpan.FromMicroseconds(
            long.Parse(File.ReadAllText("/proc/thread-self/schedstat").Split(' ')[0], CultureInfo.InvariantCulture) / 1000);
}
