using Strata.Core.State;

namespace Strata.Devices.Dma;

/// <summary>State of the DMA controllers.</summary>
public sealed class Dma8237State : IStateRecord<Dma8237State>
{
    public static ushort Version => 1;

    public required Dma8237ControllerState[] Controllers { get; set; }

    public required Dma8237ChannelState[] Channels { get; set; }

    /// <summary>The page registers at ports 80h to 8Fh.</summary>
    public required byte[] Pages { get; set; }

    public static Dma8237State Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new Dma8237State
        {
            Controllers = reader.ReadExactRecords<Dma8237ControllerState>(nameof(Controllers), Dma8237.ControllerCount),
            Channels = reader.ReadExactRecords<Dma8237ChannelState>(nameof(Channels), Dma8237.ChannelCount),
            Pages = reader.ReadExactly<byte>(nameof(Pages), Dma8237.PageCount),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteRecords(Controllers);
        writer.WriteRecords(Channels);
        writer.WriteArray<byte>(Pages);
    }
}

/// <summary>State of one 8237A.</summary>
public sealed class Dma8237ControllerState : IStateRecord<Dma8237ControllerState>
{
    public static ushort Version => 1;

    public required byte Command { get; set; }

    public required byte Mask { get; set; }

    public required byte Request { get; set; }

    /// <summary>Channels that have come to the end of their count since the status was read.</summary>
    public required byte Terminal { get; set; }

    /// <summary>The next access of a 16-bit register is its high byte.</summary>
    public required bool IsHighNext { get; set; }

    public static Dma8237ControllerState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new Dma8237ControllerState
        {
            Command = reader.Read<byte>(nameof(Command)),
            Mask = reader.ReadBits<byte>(nameof(Mask), 0xF),
            Request = reader.ReadBits<byte>(nameof(Request), 0xF),
            Terminal = reader.ReadBits<byte>(nameof(Terminal), 0xF),
            IsHighNext = reader.ReadBoolean(nameof(IsHighNext)),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Command);
        writer.Write(Mask);
        writer.Write(Request);
        writer.Write(Terminal);
        writer.Write(IsHighNext);
    }
}

/// <summary>State of one channel.</summary>
public sealed class Dma8237ChannelState : IStateRecord<Dma8237ChannelState>
{
    public static ushort Version => 1;

    public required ushort BaseAddress { get; set; }

    public required ushort BaseCount { get; set; }

    public required ushort Address { get; set; }

    /// <summary>Transfers to come, less one.</summary>
    public required ushort Count { get; set; }

    public required byte Mode { get; set; }

    public static Dma8237ChannelState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new Dma8237ChannelState
        {
            BaseAddress = reader.Read<ushort>(nameof(BaseAddress)),
            BaseCount = reader.Read<ushort>(nameof(BaseCount)),
            Address = reader.Read<ushort>(nameof(Address)),
            Count = reader.Read<ushort>(nameof(Count)),
            Mode = reader.ReadBits<byte>(nameof(Mode), 0xFC),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(BaseAddress);
        writer.Write(BaseCount);
        writer.Write(Address);
        writer.Write(Count);
        writer.Write(Mode);
    }
}

/// <content>The chips as a unit of state.</content>
public sealed partial class Dma8237
{
    public string UnitName => "dma";

    /// <summary>All channels are masked.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            Array.ForEach(_controllers, Clear);
            foreach (Counter channel in _channels)
            {
                (channel.BaseAddress, channel.BaseCount, channel.Address, channel.Count, channel.Mode) = (0, 0, 0, 0, 0);
            }

            Array.Clear(_pages);
        }
    }

    public Dma8237State SaveState()
    {
        lock (_gate)
        {
            return new Dma8237State
            {
                Controllers =
                [
                    .. _controllers.Select(controller => new Dma8237ControllerState
                    {
                        Command = controller.Command,
                        Mask = controller.Mask,
                        Request = controller.Request,
                        Terminal = controller.Terminal,
                        IsHighNext = controller.IsHighNext,
                    }),
                ],
                Channels =
                [
                    .. _channels.Select(channel => new Dma8237ChannelState
                    {
                        BaseAddress = channel.BaseAddress,
                        BaseCount = channel.BaseCount,
                        Address = channel.Address,
                        Count = channel.Count,
                        Mode = channel.Mode,
                    }),
                ],
                Pages = [.. _pages],
            };
        }
    }

    public void LoadState(Dma8237State state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            foreach ((Controller controller, Dma8237ControllerState saved) in _controllers.Zip(state.Controllers))
            {
                (controller.Command, controller.Mask, controller.Request) = (saved.Command, saved.Mask, saved.Request);
                (controller.Terminal, controller.IsHighNext) = (saved.Terminal, saved.IsHighNext);
            }

            foreach ((Counter channel, Dma8237ChannelState saved) in _channels.Zip(state.Channels))
            {
                (channel.BaseAddress, channel.BaseCount) = (saved.BaseAddress, saved.BaseCount);
                (channel.Address, channel.Count, channel.Mode) = (saved.Address, saved.Count, saved.Mode);
            }

            state.Pages.CopyTo(_pages, 0);
        }
    }
}
