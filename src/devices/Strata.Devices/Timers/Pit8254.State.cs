using Strata.Core.State;
using Strata.Core.Time;

namespace Strata.Devices.Timers;

/// <summary>State of the interval timer and of port 61h.</summary>
public sealed class Pit8254State : IStateRecord<Pit8254State>
{
    public static ushort Version => 1;

    public required Pit8254ChannelState[] Channels { get; set; }

    public required bool SpeakerData { get; set; }

    /// <summary>Level of IRQ 0.</summary>
    public required bool IsInterruptHigh { get; set; }

    /// <summary>Virtual time at which IRQ 0 rises next. It may have passed: the interrupt is about to come then.</summary>
    public required long NextRise { get; set; }

    public static Pit8254State Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new Pit8254State
        {
            Channels = reader.ReadExactRecords<Pit8254ChannelState>(nameof(Channels), Pit8254.ChannelCount),
            SpeakerData = reader.ReadBoolean(nameof(SpeakerData)),
            IsInterruptHigh = reader.ReadBoolean(nameof(IsInterruptHigh)),
            NextRise = reader.ReadDeadline(nameof(NextRise)),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteRecords(Channels);
        writer.Write(SpeakerData);
        writer.Write(IsInterruptHigh);
        writer.Write(NextRise);
    }
}

/// <summary>State of one counter.</summary>
public sealed class Pit8254ChannelState : IStateRecord<Pit8254ChannelState>
{
    public static ushort Version => 1;

    public required byte Mode { get; set; }

    /// <summary>RW of the control word: 1 low, 2 high, 3 low then high byte.</summary>
    public required byte Access { get; set; }

    public required bool IsBcd { get; set; }

    /// <summary>Count that was written, 1 to 65,536.</summary>
    public required int Reload { get; set; }

    /// <summary>Low byte of a count whose high byte has not come.</summary>
    public required byte Low { get; set; }

    public required bool WriteHigh { get; set; }

    public required bool ReadHigh { get; set; }

    /// <summary>Latched count, or -1.</summary>
    public required int Latched { get; set; }

    /// <summary>Latched status, or -1.</summary>
    public required short LatchedStatus { get; set; }

    /// <summary>Virtual time from which the counter counts.</summary>
    public required long Start { get; set; }

    /// <summary>Virtual time at which the gate fell last.</summary>
    public required long GateFell { get; set; }

    public required bool IsLoaded { get; set; }

    public required bool IsTriggered { get; set; }

    public required bool Gate { get; set; }

    public static Pit8254ChannelState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new Pit8254ChannelState
        {
            Mode = reader.Read<byte>(nameof(Mode), 0, 5),
            Access = reader.Read<byte>(nameof(Access), 1, 3),
            IsBcd = reader.ReadBoolean(nameof(IsBcd)),
            Reload = reader.Read(nameof(Reload), 1, 0x10000),
            Low = reader.Read<byte>(nameof(Low)),
            WriteHigh = reader.ReadBoolean(nameof(WriteHigh)),
            ReadHigh = reader.ReadBoolean(nameof(ReadHigh)),
            Latched = reader.Read(nameof(Latched), -1, 0xFFFF),
            LatchedStatus = reader.Read<short>(nameof(LatchedStatus), -1, 0xFF),
            Start = reader.ReadTime(nameof(Start)),
            GateFell = reader.ReadTime(nameof(GateFell)),
            IsLoaded = reader.ReadBoolean(nameof(IsLoaded)),
            IsTriggered = reader.ReadBoolean(nameof(IsTriggered)),
            Gate = reader.ReadBoolean(nameof(Gate)),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Mode);
        writer.Write(Access);
        writer.Write(IsBcd);
        writer.Write(Reload);
        writer.Write(Low);
        writer.Write(WriteHigh);
        writer.Write(ReadHigh);
        writer.Write(Latched);
        writer.Write(LatchedStatus);
        writer.Write(Start);
        writer.Write(GateFell);
        writer.Write(IsLoaded);
        writer.Write(IsTriggered);
        writer.Write(Gate);
    }
}

public sealed partial class Pit8254
{
    public string UnitName => "pit";

    /// <summary>Nothing counts, as a PC leaves it to its firmware; the gates of channels 0 and 1 are wired high.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            for (int i = 0; i < ChannelCount; i++)
            {
                _channels[i] = new Channel { Gate = i != 2 };
            }

            _speakerData = false;
            _nextRise = VirtualTime.Never;
            _timer.Disarm();
            _interrupt.Set(false);
            DriveSpeaker();
        }
    }

    public void Resume()
    {
        lock (_gate)
        {
            _timer.ArmOrDisarm(_nextRise);
        }
    }

    public Pit8254State SaveState()
    {
        lock (_gate)
        {
            return new Pit8254State
            {
                Channels = [.. _channels.Select(channel => channel.Save())],
                SpeakerData = _speakerData,
                IsInterruptHigh = _interrupt.IsHigh,
                NextRise = _nextRise,
            };
        }
    }

    public void LoadState(Pit8254State state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            for (int i = 0; i < ChannelCount; i++)
            {
                _channels[i].Load(state.Channels[i]);
            }

            _speakerData = state.SpeakerData;
            _nextRise = state.NextRise;
            _timer.Disarm(); // until Resume
            _interrupt.Restore(state.IsInterruptHigh);
            DriveSpeaker();
        }
    }

    private sealed partial class Channel
    {
        public Pit8254ChannelState Save() => new()
        {
            Mode = (byte)_mode,
            Access = (byte)_access,
            IsBcd = _bcd,
            Reload = _reload,
            Low = _low,
            WriteHigh = _writeHigh,
            ReadHigh = _readHigh,
            Latched = _latched,
            LatchedStatus = (short)_latchedStatus,
            Start = _start,
            GateFell = _gateFell,
            IsLoaded = _loaded,
            IsTriggered = _triggered,
            Gate = Gate,
        };

        public void Load(Pit8254ChannelState state)
        {
            _mode = state.Mode;
            _access = state.Access;
            _bcd = state.IsBcd;
            _reload = state.Reload;
            _low = state.Low;
            _writeHigh = state.WriteHigh;
            _readHigh = state.ReadHigh;
            _latched = state.Latched;
            _latchedStatus = state.LatchedStatus;
            _start = state.Start;
            _gateFell = state.GateFell;
            _loaded = state.IsLoaded;
            _triggered = state.IsTriggered;
            Gate = state.Gate;
        }
    }
}
