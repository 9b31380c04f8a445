using System.Diagnostics;
using Strata.Disks.Tests.Harness;
using Strata.Disks.Throttling;

namespace Strata.Disks.Tests.Throttling;

public sealed class ThrottledDiskTests : IDisposable
{
    private const int DiskSize = 1 << 20;
    private readonly TemporaryFolder _folder = new();
    private readonly StoppedTime _time = new();

    [Fact]
    public void Take_WithinASecondsWorth_DoesNotWait()
    {
        TokenBucket bucket = new(1000, _time);

        Assert.Equal(TimeSpan.Zero, bucket.Take(600));
        Assert.Equal(TimeSpan.Zero, bucket.Take(400));
    }

    [Fact]
    public void Take_BeyondTheRate_WaitsAsLongAsTheDebtTakes()
    {
        TokenBucket bucket = new(1000, _time);
        bucket.Take(1000);

        Assert.Equal(TimeSpan.FromSeconds(0.5), bucket.Take(500));
        _time.Advance(TimeSpan.FromSeconds(0.25));
        Assert.Equal(TimeSpan.FromSeconds(0.25), bucket.Take(0));
    }

    [Fact]
    public void Take_AfterALongRest_AllowsNoMoreThanASecondsWorth()
    {
        TokenBucket bucket = new(1000, _time);
        _time.Advance(TimeSpan.FromHours(1));

        Assert.Equal(TimeSpan.Zero, bucket.Take(1000));
        Assert.Equal(TimeSpan.FromSeconds(1), bucket.Take(1000));
    }

    [Theory]
    [InlineData(null, 20L, 26)] // 20 at once, 6 more in 0.3 s
    [InlineData(10_240L, null, 26)]
    public void Writes_BeyondTheThrottle_TakeTime(long? bytes, long? operations, int writes)
    {
        using ThrottledDisk disk = new(RawDisk.Create(_folder.PathOf("disk.raw"), DiskSize), new DiskThrottle(bytes, operations));
        Stopwatch watch = Stopwatch.StartNew();

        for (int i = 0; i < writes; i++)
        {
            disk.Write(i * 512, new byte[512]);
        }

        Assert.InRange(watch.ElapsedMilliseconds, 280, 5000);
    }

    [Fact]
    public async Task Dispose_WhileSomebodyWaits_LetsThemGo()
    {
        ThrottledDisk disk = new(RawDisk.Create(_folder.PathOf("disk.raw"), DiskSize), new DiskThrottle(OperationsPerSecond: 1));
        disk.Flush();
        disk.Flush(); // a second's debt
        Task waiting = Task.Run(() => Assert.Throws<ObjectDisposedException>(() =>
        {
            for (int i = 0; i < 100; i++)
            {
                disk.Flush();
            }
        }));
        await Task.Delay(50);

        disk.Dispose();

        await waiting.WaitAsync(TimeSpan.FromSeconds(10));
    }

    public void Dispose() => _folder.Dispose();

    private sealed class StoppedTime : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public void Advance(TimeSpan time) => _ticks += time.Ticks;
    }
}
