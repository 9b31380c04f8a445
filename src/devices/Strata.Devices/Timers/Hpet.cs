using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.State;
using Strata.Core.Time;
using static Strata.Devices.Timers.HpetRegisters;

namespace Strata.Devices.Timers;

/// <summary>
/// High-precision event timers: a 64-bit counter of 100 MHz and three comparators, each able to interrupt once or periodically, by an input
/// of the I/O APIC, or in place of the interval timer and the real-time clock. <i>IA-PC HPET Specification</i> 1.0a. Nothing ticks: the
/// counter follows from the clock, and the host's timer is armed for the earliest match.
/// </summary>
public sealed partial class Hpet : IMmioDevice, IUnit<HpetState>
{
    /// <summary>Bytes of the register block.</summary>
    public const int RegionSize = 0x400;

    /// <summary>Comparators.</summary>
    public const int TimerCount = 3;

    // Wiring
    private readonly IVirtualClock _clock;
    private readonly IVirtualTimer _timer;
    private readonly HpetWiring _wiring;
    private readonly uint _routes; // INT_ROUTE_CAP

    // Guest-visible state, under _gate
    private readonly Lock _gate = new();
    private readonly Comparator[] _comparators;
    private ulong _config;
    private ulong _status;
    private ulong _counter; // at _counterStart while enabled, standing still otherwise
    private long _counterStart;

    public Hpet(IVirtualClock clock, HpetWiring wiring)
    {
        ArgumentNullException.ThrowIfNull(clock);
        ArgumentNullException.ThrowIfNull(wiring);
        _clock = clock;
        _wiring = wiring;
        _timer = clock.CreateTimer(OnTimer);
        foreach (int route in wiring.Routes.Keys)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)route, 31u, nameof(wiring));
            _routes |= 1u << route;
        }

        _comparators = [.. Enumerable.Range(0, TimerCount).Select(_ => new Comparator())];
    }

    /// <summary>The event timer block's ID, for the ACPI table: the low half of GENERAL_CAP_ID.</summary>
    public static uint BlockId => unchecked((uint)Capabilities);

    private bool IsEnabled => (_config & ENABLE_CNF) != 0;

    private bool IsLegacy => (_config & LEG_RT_CNF) != 0;

    public ulong ReadMmio(ulong offset, AccessWidth width)
    {
        lock (_gate)
        {
            CatchUp();
            ulong value = ReadRegister((int)(offset & ~7UL)) >> (int)((offset & 7) * 8);
            return value & width.Mask();
        }
    }

    /// <summary>"All registers are accessed by aligned 32-bit or 64-bit accesses": others are ignored.</summary>
    public void WriteMmio(ulong offset, AccessWidth width, ulong value)
    {
        if (width < AccessWidth.Dword || offset % (ulong)width != 0)
        {
            return;
        }

        int shift = (int)((offset & 7) * 8);
        ulong mask = width.Mask() << shift;
        lock (_gate)
        {
            CatchUp();
            WriteRegister((int)(offset & ~7UL), value << shift, mask);
            Arm();
        }
    }

    private static ulong Merge(ulong old, ulong value, ulong mask) => (old & ~mask) | (value & mask);

    private ulong ReadRegister(int register) => register switch
    {
        GENERAL_CAP_ID => Capabilities,
        GENERAL_CONFIG => _config,
        GENERAL_INT_STATUS => _status,
        MAIN_COUNTER_VAL => CounterAt(_clock.Now),
        _ when FindComparator(register, out int part) is { } index => part switch
        {
            TIM_CONF_CAP => _comparators[index].Config | PER_INT_CAP | SIZE_CAP | ((ulong)_routes << IntRouteCapShift),
            TIM_COMP => _comparators[index].Value,
            _ => 0,
        },
        _ => 0,
    };

    private void WriteRegister(int register, ulong value, ulong mask)
    {
        switch (register)
        {
            case GENERAL_CONFIG:
                WriteConfig(Merge(_config, value, mask) & ConfigWritable);
                break;
            case GENERAL_INT_STATUS:
                _status &= ~(value & mask);
                UpdateLines();
                break;
            case MAIN_COUNTER_VAL when !IsEnabled: // "Writes to this register should only be done while the counter is halted"
                _counter = Merge(_counter, value, mask);
                break;
            case var _ when FindComparator(register, out int part) is { } index:
                WriteComparator(_comparators[index], part, value, mask);
                UpdateLines();
                break;
            default:
                break;
        }
    }

    private void WriteConfig(ulong config)
    {
        long now = _clock.Now;
        ulong changed = _config ^ config;
        if ((changed & ENABLE_CNF) != 0)
        {
            _counter = CounterAt(now);
            _counterStart = now;
        }

        if ((changed & LEG_RT_CNF) != 0)
        {
            SetLines(0); // before the wires are others
        }

        _config = config;
        SelectLegacy(restores: false);
        Array.ForEach(_comparators, Schedule);
        UpdateLines();
    }

    private void WriteComparator(Comparator timer, int part, ulong value, ulong mask)
    {
        if (part == TIM_CONF_CAP)
        {
            timer.Config = Merge(timer.Config, value, mask) & TimerWritable;
            if (timer.Is32Bit)
            {
                (timer.Value, timer.Period) = ((uint)timer.Value, (uint)timer.Period);
            }
        }
        else if (part == TIM_COMP)
        {
            ulong allowed = timer.Is32Bit ? mask & uint.MaxValue : mask;
            if (timer.IsPeriodic)
            {
                timer.Period = Merge(timer.Period, value, allowed);
            }

            if (!timer.IsPeriodic || (timer.Config & VAL_SET_CNF) != 0)
            {
                timer.Value = Merge(timer.Value, value, allowed);
            }

            timer.Config &= ~VAL_SET_CNF;
        }

        Schedule(timer);
    }

    /// <summary>The comparator that a register belongs to; null for none.</summary>
    private static int? FindComparator(int register, out int part)
    {
        int at = register - FirstTimer;
        part = at % TimerStride;
        return at >= 0 && at / TimerStride < TimerCount ? at / TimerStride : null;
    }

    private ulong CounterAt(long now) => IsEnabled ? _counter + (ulong)((now - _counterStart) / TickLength) : _counter;

    private void SelectLegacy(bool restores)
    {
        _wiring.IntervalTimer.Select(IsLegacy, restores);
        _wiring.RealTimeClock.Select(IsLegacy, restores);
    }

    private void OnTimer()
    {
        lock (_gate)
        {
            CatchUp();
            Arm();
        }
    }

    private void Arm() => _timer.ArmOrDisarm(_comparators.Min(timer => timer.Due));
}
