using Strata.Core.Interrupts;
using Strata.Core.State;
using Strata.Core.Time;
using static Strata.Devices.Timers.HpetRegisters;

namespace Strata.Devices.Timers;

/// <summary>State of the high-precision event timers.</summary>
public sealed class HpetState : IStateRecord<HpetState>
{
    public static ushort Version => 1;

    /// <summary>GENERAL_CONFIG.</summary>
    public required ulong Config { get; set; }

    /// <summary>GENERAL_INT_STATUS.</summary>
    public required ulong Status { get; set; }

    /// <summary>The counter at <see cref="CounterStart"/>.</summary>
    public required ulong Counter { get; set; }

    /// <summary>Virtual time from which the counter counts, if it is enabled.</summary>
    public required long CounterStart { get; set; }

    public required HpetTimerState[] Timers { get; set; }

    /// <summary>A bit for each wire that is high: the interval timer's, the real-time clock's, then the inputs by number.</summary>
    public required ulong Lines { get; set; }

    public static HpetState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new HpetState
        {
            Config = reader.ReadBits(nameof(Config), ConfigWritable),
            Status = reader.ReadBits(nameof(Status), (1UL << Hpet.TimerCount) - 1),
            Counter = reader.Read<ulong>(nameof(Counter)),
            CounterStart = reader.ReadTime(nameof(CounterStart)),
            Timers = reader.ReadExactRecords<HpetTimerState>(nameof(Timers), Hpet.TimerCount),
            Lines = reader.Read<ulong>(nameof(Lines)),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Config);
        writer.Write(Status);
        writer.Write(Counter);
        writer.Write(CounterStart);
        writer.WriteRecords(Timers);
        writer.Write(Lines);
    }
}

/// <summary>State of one comparator.</summary>
public sealed class HpetTimerState : IStateRecord<HpetTimerState>
{
    public static ushort Version => 1;

    /// <summary>TIMn_CONF_CAP, what can be written of it.</summary>
    public required ulong Config { get; set; }

    /// <summary>TIMn_COMP.</summary>
    public required ulong Value { get; set; }

    /// <summary>Ticks.</summary>
    public required ulong Period { get; set; }

    /// <summary>Virtual time of the next match; it may have passed: the interrupt is about to come then.</summary>
    public required long Due { get; set; }

    public static HpetTimerState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new HpetTimerState
        {
            Config = reader.ReadBits(nameof(Config), TimerWritable),
            Value = reader.Read<ulong>(nameof(Value)),
            Period = reader.Read<ulong>(nameof(Period)),
            Due = reader.ReadDeadline(nameof(Due)),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Config);
        writer.Write(Value);
        writer.Write(Period);
        writer.Write(Due);
    }
}

/// <content>The chip as a unit of state.</content>
public sealed partial class Hpet
{
    public string UnitName => "hpet";

    /// <summary>The counter is 0 and halted, and no timer interrupts.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            SetLines(0);
            (_config, _status, _counter, _counterStart) = (0, 0, 0, 0);
            SelectLegacy(restores: false);
            foreach (Comparator timer in _comparators)
            {
                (timer.Config, timer.Value, timer.Period, timer.Due) = (0, ulong.MaxValue, 0, VirtualTime.Never);
            }

            _timer.Disarm();
        }
    }

    public void Resume()
    {
        lock (_gate)
        {
            Arm();
        }
    }

    public HpetState SaveState()
    {
        lock (_gate)
        {
            return new HpetState
            {
                Config = _config,
                Status = _status,
                Counter = _counter,
                CounterStart = _counterStart,
                Timers = [.. _comparators.Select(
                    timer => new HpetTimerState { Config = timer.Config, Value = timer.Value, Period = timer.Period, Due = timer.Due })],
                Lines = Lines().Index().Aggregate(0UL, (bits, line) => line.Item.IsHigh ? bits | (1UL << line.Index) : bits),
            };
        }
    }

    public void LoadState(HpetState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        InterruptLine[] lines = [.. Lines()];
        lock (_gate)
        {
            if (state.Lines >> lines.Length != 0)
            {
                throw new StateException(
                    $"The saved state of {UnitName} cannot be used: {nameof(state.Lines)} has wires that this machine lacks: " +
                    $"0x{state.Lines:x}.");
            }

            (_config, _status) = (state.Config, state.Status);
            (_counter, _counterStart) = (state.Counter, state.CounterStart);
            foreach ((Comparator timer, HpetTimerState saved) in _comparators.Zip(state.Timers))
            {
                (timer.Config, timer.Value, timer.Period, timer.Due) = (saved.Config, saved.Value, saved.Period, saved.Due);
            }

            foreach ((int index, InterruptLine line) in lines.Index())
            {
                line.Restore((state.Lines & (1UL << index)) != 0);
            }

            SelectLegacy(restores: true);
            _timer.Disarm(); // until Resume
        }
    }
}
