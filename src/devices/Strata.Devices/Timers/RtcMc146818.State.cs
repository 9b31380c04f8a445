using Strata.Core.State;
using Strata.Core.Time;

namespace Strata.Devices.Timers;

/// <summary>State of the real-time clock, but for the wall time itself.</summary>
public sealed class RtcMc146818State : IStateRecord<RtcMc146818State>
{
    public static ushort Version => 1;

    /// <summary>Registers and CMOS RAM. Those of the time count while they are held.</summary>
    public required byte[] Ram { get; set; }

    /// <summary>The selected register.</summary>
    public required byte Index { get; set; }

    /// <summary>What the clock is ahead of the machine's wall time, in units of 100 ns: what a guest has set.</summary>
    public required long Offset { get; set; }

    /// <summary>Virtual time up to which register C has the events that no timer runs for.</summary>
    public required long FlagsKnown { get; set; }

    /// <summary>Virtual time of the next periodic interrupt; it may have passed.</summary>
    public required long PeriodicDue { get; set; }

    /// <summary>Virtual time of the next update that somebody waits for; it may have passed.</summary>
    public required long SecondDue { get; set; }

    public static RtcMc146818State Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        RtcMc146818State state = new()
        {
            Ram = new byte[RtcMc146818.RamSize],
            Index = reader.ReadBits<byte>(nameof(Index), RtcMc146818.RamSize - 1),
            Offset = reader.Read(nameof(Offset), -DateTime.MaxValue.Ticks - VirtualTime.Latest, DateTime.MaxValue.Ticks),
            FlagsKnown = reader.ReadTime(nameof(FlagsKnown)),
            PeriodicDue = reader.ReadDeadline(nameof(PeriodicDue)),
            SecondDue = reader.ReadDeadline(nameof(SecondDue)),
        };
        reader.ReadFixed(nameof(Ram), state.Ram);
        return state;
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Index);
        writer.Write(Offset);
        writer.Write(FlagsKnown);
        writer.Write(PeriodicDue);
        writer.Write(SecondDue);
        writer.WriteFixed(Ram);
    }
}

public sealed partial class RtcMc146818
{
    public string UnitName => "rtc";

    /// <summary>What the reset pin clears; time and CMOS RAM have a battery.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            WriteControls(_ram[RegisterA], (byte)(_ram[RegisterB] & ~(InterruptCauses | SquareWaveEnable)));
            _ram[RegisterC] = 0;
            _index = 0;
            _interrupt.Set(false);
        }
    }

    public void Resume()
    {
        lock (_gate)
        {
            ArmTimers();
        }
    }

    public RtcMc146818State SaveState()
    {
        lock (_gate)
        {
            return new RtcMc146818State
            {
                Ram = [.. _ram],
                Index = _index,
                Offset = _offset,
                FlagsKnown = _flagsKnown,
                PeriodicDue = _periodicDue,
                SecondDue = _secondDue,
            };
        }
    }

    public void LoadState(RtcMc146818State state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            state.Ram.CopyTo(_ram, 0);
            _index = state.Index;
            _offset = state.Offset;
            _flagsKnown = state.FlagsKnown;
            (_periodicDue, _secondDue) = (state.PeriodicDue, state.SecondDue);
            _periodicTimer.Disarm(); // until Resume
            _secondTimer.Disarm();
            _interrupt.Restore((_ram[RegisterC] & InterruptRequest) != 0);
        }
    }
}
