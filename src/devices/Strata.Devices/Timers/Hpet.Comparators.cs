using Strata.Core.Interrupts;
using Strata.Core.Time;
using static Strata.Devices.Timers.HpetRegisters;

namespace Strata.Devices.Timers;

/// <content>The comparators: when they match, and what a match does to wires.</content>
public sealed partial class Hpet
{
    /// <summary>
    /// Ticks between two interrupts of a periodic timer at least: 10 µs. A guest that asks for more gets those that fall together as one,
    /// as it does where the host is late.
    /// </summary>
    private const ulong ShortestPeriod = 1000;

    private const int LegacyTimers = 2;

    /// <summary>Computes when a comparator matches next. A value that the counter has now matches at once.</summary>
    private void Schedule(Comparator timer)
    {
        long now = _clock.Now;
        timer.Due = IsEnabled ? After(now, (timer.Value - CounterAt(now)) & timer.Mask) : VirtualTime.Never;
    }

    /// <summary>When the counter will have counted so many ticks more.</summary>
    private long After(long now, ulong ticks)
    {
        long elapsed = (now - _counterStart) / TickLength;
        return ticks <= (ulong)(VirtualTime.Latest / TickLength - elapsed)
            ? _counterStart + ((elapsed + (long)ticks) * TickLength)
            : VirtualTime.Never;
    }

    /// <summary>Whatever is due by now happens, also where a guest looks before the clock's thread gets there.</summary>
    private void CatchUp()
    {
        long now = _clock.Now;
        for (int i = 0; i < TimerCount; i++)
        {
            if (_comparators[i].Due <= now)
            {
                Advance(_comparators[i], now);
                Match(i);
            }
        }
    }

    /// <summary>Moves a comparator that has matched on to its next match.</summary>
    private void Advance(Comparator timer, long now)
    {
        ulong counter = CounterAt(now);
        if (!timer.IsPeriodic)
        {
            ulong turn = timer.Mask - ((counter - timer.Value) & timer.Mask); // to the value's return, less one tick
            timer.Due = turn == ulong.MaxValue ? VirtualTime.Never : After(now, turn + 1);
            return;
        }

        if (timer.Period == 0)
        {
            timer.Due = VirtualTime.Never;
            return;
        }

        ulong passed = ((counter - timer.Value) & timer.Mask) / timer.Period;
        ulong together = timer.Period < ShortestPeriod ? (ShortestPeriod + timer.Period - 1) / timer.Period : 1;
        ulong steps = passed + together;
        timer.Value = (timer.Value + (steps * timer.Period)) & timer.Mask;
        timer.Due = After(now, (timer.Value - counter) & timer.Mask);
    }

    private void Match(int index)
    {
        Comparator timer = _comparators[index];
        if (timer.IsLevel)
        {
            _status |= 1UL << index;
            UpdateLines();
        }
        else if ((timer.Config & INT_ENB_CNF) != 0 && LineOf(index) is { } line)
        {
            line.Set(false);
            line.Set(true); // stays high, as controllers forget a request whose line has fallen
        }
    }

    /// <summary>The wire of a timer; null where its route leads nowhere.</summary>
    private InterruptLine? LineOf(int index) => index switch
    {
        0 when IsLegacy => _wiring.IntervalTimer.Replacement,
        1 when IsLegacy => _wiring.RealTimeClock.Replacement,
        _ => _wiring.Routes.GetValueOrDefault(_comparators[index].Route),
    };

    /// <summary>All wires, in a fixed order: the two legacy ones, then the inputs by number.</summary>
    private IEnumerable<InterruptLine> Lines() =>
    [
        _wiring.IntervalTimer.Replacement,
        _wiring.RealTimeClock.Replacement,
        .. _wiring.Routes.OrderBy(route => route.Key).Select(route => route.Value),
    ];

    /// <summary>
    /// Wires of level-triggered timers follow the status register. One that an edge-triggered timer has left high stays so; one that no
    /// timer has any more falls.
    /// </summary>
    private void UpdateLines()
    {
        foreach (InterruptLine line in Lines())
        {
            bool high = false;
            for (int i = 0; i < TimerCount; i++)
            {
                bool isOurs = ReferenceEquals(LineOf(i), line) && (_comparators[i].Config & INT_ENB_CNF) != 0;
                high |= isOurs && (_comparators[i].IsLevel ? (_status & (1UL << i)) != 0 : line.IsHigh);
            }

            line.Set(high);
        }
    }

    /// <param name="high">A bit for each of <see cref="Lines"/>.</param>
    private void SetLines(ulong high)
    {
        foreach ((int index, InterruptLine line) in Lines().Index())
        {
            line.Set((high & (1UL << index)) != 0);
        }
    }

    private sealed class Comparator
    {
        public ulong Config { get; set; }

        /// <summary>TIMn_COMP: for a periodic timer the next match.</summary>
        public ulong Value { get; set; } = ulong.MaxValue;

        /// <summary>Ticks; 0 until one is written.</summary>
        public ulong Period { get; set; }

        /// <summary>Virtual time of the next match; it may have passed.</summary>
        public long Due { get; set; } = VirtualTime.Never;

        public bool IsPeriodic => (Config & TYPE_CNF) != 0;

        public bool IsLevel => (Config & INT_TYPE_CNF) != 0;

        public bool Is32Bit => (Config & MODE32_CNF) != 0;

        public int Route => (int)((Config & INT_ROUTE_CNF) >> IntRouteShift);

        /// <summary>The bits of the counter that it compares.</summary>
        public ulong Mask => Is32Bit ? uint.MaxValue : ulong.MaxValue;
    }
}
