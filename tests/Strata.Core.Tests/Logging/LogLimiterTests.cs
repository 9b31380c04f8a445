using Microsoft.Extensions.Logging;
using Strata.Core.Logging;

namespace Strata.Core.Tests.Logging;

/// <summary>Reports that a guest can cause are few, and what is left out is counted.</summary>
public sealed class LogLimiterTests : IDisposable
{
    private readonly SetTime _time = new();
    private readonly RecordingLoggers _written = new();

    public void Dispose() => _written.Dispose();

    [Fact]
    public void TryPass_MoreThanABurst_IsLeftOutAndCounted()
    {
        LogLimiter limiter = new(_time);

        int passed = Enumerable.Range(0, 1000).Count(_ => limiter.TryPass(out long _));

        Assert.Equal(LogLimiter.Burst, passed);
        Assert.Equal(1000 - LogLimiter.Burst, limiter.TakeLeftOut());
        Assert.Equal(0, limiter.TakeLeftOut());
    }

    [Fact]
    public void TryPass_AfterAnInterval_LetsOneThroughAndSaysWhatWasLeftOut()
    {
        LogLimiter limiter = new(_time);
        for (int i = 0; i < LogLimiter.Burst + 7; i++)
        {
            limiter.TryPass(out long _);
        }

        _time.Advance(LogLimiter.Interval);

        Assert.True(limiter.TryPass(out long leftOut));
        Assert.Equal(7, leftOut);
        Assert.False(limiter.TryPass(out _));
    }

    [Fact]
    public void TryPass_AfterALongTime_LetsNoMoreThanABurstThrough()
    {
        LogLimiter limiter = new(_time);
        _time.Advance(LogLimiter.Interval * 1000);

        Assert.Equal(LogLimiter.Burst, Enumerable.Range(0, 100).Count(_ => limiter.TryPass(out long _)));
    }

    [Fact]
    public void For_OneKindTooOften_LeavesOtherKindsAlone()
    {
        using MachineLoggers loggers = new(_written, _time);
        ILogger logger = loggers.For(LogAreas.Virtio);

        Repeat(logger, kind: 1, times: 500);
        Repeat(logger, kind: 2, times: 1);

        Assert.Equal(LogLimiter.Burst + 1, _written.Lines.Count);
        Assert.Equal("Strata.Virtio Warning kind 2", _written.Lines[^1]);
    }

    [Fact]
    public void Dispose_AfterReportsThatWereLeftOut_SaysHowMany()
    {
        MachineLoggers loggers = new(_written, _time);
        Repeat(loggers.For(LogAreas.Virtio), kind: 1, times: 500);

        loggers.Dispose();

        Assert.StartsWith(
            "Strata.Virtio Warning 490 reports of the kind Kind1 were left out", _written.Lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void Log_LevelThatNobodyWants_CountsForNothing()
    {
        _written.Least = LogLevel.Error;
        using (MachineLoggers loggers = new(_written, _time))
        {
            Repeat(loggers.For(LogAreas.Virtio), kind: 1, times: 500);
        }

        Assert.Empty(_written.Lines);
    }

    private static void Repeat(ILogger logger, int kind, int times)
    {
        for (int i = 0; i < times; i++)
        {
            logger.Log(LogLevel.Warning, new EventId(kind, $"Kind{kind}"), kind, null, (state, _) => $"kind {state}");
        }
    }

    private sealed class SetTime : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public void Advance(TimeSpan time) => _ticks += time.Ticks;
    }
}
