using Strata.Networking.Tcp;

namespace Strata.Networking.Tests.Tcp;

/// <summary>RFC 6298, section 2, in numbers.</summary>
public sealed class RetransmissionTimerTests
{
    private const long Millisecond = 1_000_000;
    private readonly RetransmissionTimer _timer = new();

    [Fact]
    public void Interval_BeforeAnySample_IsOneSecond() => Assert.Equal(1000 * Millisecond, _timer.Interval);

    [Fact]
    public void Interval_AfterTheFirstSample_IsThreeTimesIt()
    {
        Sample(100 * Millisecond);

        Assert.Equal(300 * Millisecond, _timer.Interval); // SRTT + 4 (R / 2)
    }

    [Fact]
    public void Interval_AfterTheSecondSample_IsSmoothed()
    {
        Sample(100 * Millisecond);
        Sample(180 * Millisecond);

        // RTTVAR = 3/4 50 + 1/4 80 = 57.5, SRTT = 7/8 100 + 1/8 180 = 110: 110 + 4 57.5 = 340.
        Assert.Equal(340 * Millisecond, _timer.Interval);
    }

    [Fact]
    public void Interval_TinySamples_StaysAtTheShortest()
    {
        Sample(1000);

        Assert.Equal(RetransmissionTimer.Shortest, _timer.Interval);
    }

    [Fact]
    public void Interval_Expired_DoublesUpToAMinuteAndRecovers()
    {
        Sample(100 * Millisecond);
        _timer.OnExpired();
        Assert.Equal(600 * Millisecond, _timer.Interval);
        for (int i = 0; i < 100; i++)
        {
            _timer.OnExpired();
        }

        Assert.Equal(RetransmissionTimer.Longest, _timer.Interval);
        _timer.OnAcknowledged(1, 0);
        Assert.Equal(300 * Millisecond, _timer.Interval);
    }

    [Fact]
    public void OnAcknowledged_OfARepeatedSegment_IsNoSample()
    {
        _timer.OnSent(100, now: 0);
        _timer.OnExpired();

        _timer.OnAcknowledged(100, now: 5000 * Millisecond);

        Assert.Equal(1000 * Millisecond, _timer.Interval); // Karn: which copy was answered?
    }

    private void Sample(long roundTrip)
    {
        _timer.OnSent(100, now: 0);
        _timer.OnAcknowledged(100, now: roundTrip);
    }
}
