using Strata.Devices.Timers;

namespace Strata.Devices.Sound;

/// <summary>What drives the PC's speaker: a square wave, or a level.</summary>
/// <param name="Period">Ticks of the timer's clock, <see cref="Pit8254.Frequency"/>; 0 for a level.</param>
/// <param name="Start">Virtual time at which a period begins.</param>
/// <param name="IsHigh">The level.</param>
public readonly record struct SpeakerWave(int Period, long Start, bool IsHigh)
{
    private const long Second = 1_000_000_000;

    /// <summary>Whether the speaker is pushed out at a moment: in the first half of each period.</summary>
    public bool IsOut(long now)
    {
        if (Period == 0)
        {
            return IsHigh;
        }

        long ticks = (long)((Int128)(now - Start) * Pit8254.Frequency / Second);
        return ticks % Period < (Period + 1) / 2;
    }

    /// <summary>Whether it is a tone that a recording can have.</summary>
    internal bool IsTone => Period >= ShortestPeriod;

    /// <summary>20 kHz: what is above can be heard by nobody, and would be heard as something else.</summary>
    private static int ShortestPeriod => (int)(Pit8254.Frequency / 20_000);
}
