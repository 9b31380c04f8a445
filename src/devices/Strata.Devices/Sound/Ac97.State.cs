using Strata.Core.State;
using static Strata.Devices.Sound.Ac97Registers;

namespace Strata.Devices.Sound;

/// <summary>State of an AC '97 controller with its codec.</summary>
public sealed class Ac97State : IStateRecord<Ac97State>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>The codec's registers.</summary>
    public required ushort[] Mixer { get; set; }

    /// <summary>In, out, microphone.</summary>
    public required Ac97ChannelState[] Channels { get; set; }

    /// <summary>GLOB_CNT.</summary>
    public required uint Control { get; set; }

    /// <summary>CAS was read, and the codec not used since.</summary>
    public required bool IsSemaphoreTaken { get; set; }

    /// <summary>Virtual time up to which was played, in ns.</summary>
    public required long PlayedUntil { get; set; }

    /// <inheritdoc/>
    public static Ac97State Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new Ac97State
        {
            Mixer = reader.ReadExactly<ushort>(nameof(Mixer), Ac97.MixerCount),
            Channels = reader.ReadExactRecords<Ac97ChannelState>(nameof(Channels), ChannelCount),
            Control = reader.ReadBits<uint>(nameof(Control), ControlWritable),
            IsSemaphoreTaken = reader.ReadBoolean(nameof(IsSemaphoreTaken)),
            PlayedUntil = reader.Read<long>(nameof(PlayedUntil), 0, long.MaxValue),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteArray<ushort>(Mixer);
        writer.WriteRecords(Channels);
        writer.Write(Control);
        writer.Write(IsSemaphoreTaken);
        writer.Write(PlayedUntil);
    }
}

/// <summary>State of one channel.</summary>
public sealed class Ac97ChannelState : IStateRecord<Ac97ChannelState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>BDBAR.</summary>
    public required uint List { get; set; }

    /// <summary>CIV.</summary>
    public required byte Current { get; set; }

    /// <summary>LVI.</summary>
    public required byte Last { get; set; }

    /// <summary>SR.</summary>
    public required ushort Status { get; set; }

    /// <summary>PICB.</summary>
    public required ushort Left { get; set; }

    /// <summary>CR.</summary>
    public required byte Control { get; set; }

    /// <summary>Where the current buffer goes on.</summary>
    public required uint Address { get; set; }

    /// <summary>The current buffer's end interrupts.</summary>
    public required bool InterruptsAtEnd { get; set; }

    /// <summary>A buffer was fetched since the channel's reset.</summary>
    public required bool HasStarted { get; set; }

    /// <inheritdoc/>
    public static Ac97ChannelState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new Ac97ChannelState
        {
            List = reader.ReadBits<uint>(nameof(List), ~7u),
            Current = reader.Read<byte>(nameof(Current), 0, BufferCount - 1),
            Last = reader.Read<byte>(nameof(Last), 0, BufferCount - 1),
            Status = reader.ReadBits<ushort>(nameof(Status), SrHalted | SrClearable),
            Left = reader.ReadBits<ushort>(nameof(Left), 0xFFFE),
            Control = reader.ReadBits<byte>(nameof(Control), CrWritable & ~CrReset),
            Address = reader.ReadBits<uint>(nameof(Address), ~1u),
            InterruptsAtEnd = reader.ReadBoolean(nameof(InterruptsAtEnd)),
            HasStarted = reader.ReadBoolean(nameof(HasStarted)),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(List);
        writer.Write(Current);
        writer.Write(Last);
        writer.Write(Status);
        writer.Write(Left);
        writer.Write(Control);
        writer.Write(Address);
        writer.Write(InterruptsAtEnd);
        writer.Write(HasStarted);
    }

    internal static Ac97ChannelState Of(Ac97Channel channel) => new()
    {
        List = channel.List,
        Current = channel.Current,
        Last = channel.Last,
        Status = channel.Status,
        Left = channel.Left,
        Control = channel.Control,
        Address = channel.Address,
        InterruptsAtEnd = channel.InterruptsAtEnd,
        HasStarted = channel.HasStarted,
    };

    internal void CopyTo(Ac97Channel channel)
    {
        (channel.List, channel.Current, channel.Last, channel.Status) = (List, Current, Last, Status);
        (channel.Left, channel.Control, channel.Address) = (Left, Control, Address);
        (channel.InterruptsAtEnd, channel.HasStarted) = (InterruptsAtEnd, HasStarted);
    }
}

/// <content>The controller as a unit of state, behind its PCI function.</content>
public sealed partial class Ac97
{
    internal const int MixerCount = MixerSize / 2;

    private Ac97State Save()
    {
        lock (_gate)
        {
            return new Ac97State
            {
                Mixer = [.. _mixer],
                Channels = [.. _channels.Select(Ac97ChannelState.Of)],
                Control = _control,
                IsSemaphoreTaken = _isSemaphoreTaken,
                PlayedUntil = _playedUntil,
            };
        }
    }

    private void Load(Ac97State state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            state.Mixer.CopyTo(_mixer, 0);
            foreach ((Ac97ChannelState saved, Ac97Channel channel) in state.Channels.Zip(_channels))
            {
                saved.CopyTo(channel);
            }

            (_control, _isSemaphoreTaken, _playedUntil) = (state.Control, state.IsSemaphoreTaken, state.PlayedUntil);
        }
    }

    private sealed class Unit(Ac97 owner) : IUnit<Ac97State>
    {
        public string UnitName => $"{owner.UnitName}/ac97";

        public void Reset()
        {
            lock (owner._gate)
            {
                owner.SetDefaults();
                owner._playedUntil = 0;
            }
        }

        public void Quiesce()
        {
            lock (owner._gate)
            {
                owner._isStill = true;
            }
        }

        public void Resume()
        {
            lock (owner._gate)
            {
                owner._isStill = false;
                owner._playedUntil = Math.Min(owner._playedUntil, owner._clock.Now);
                owner.Arm();
            }
        }

        public Ac97State SaveState() => owner.Save();

        public void LoadState(Ac97State state) => owner.Load(state);
    }
}
