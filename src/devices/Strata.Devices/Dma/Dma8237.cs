using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.State;

namespace Strata.Devices.Dma;

/// <summary>
/// The pair of 8237A DMA controllers of a PC/AT with their page registers: channels 0 to 3 move bytes, 5 to 7 words, and 4 joins the
/// two. Intel 8237A data sheet (231466); IBM PC/AT Technical Reference, "DMA". A device asks through its <see cref="IsaDmaChannel"/>.
/// Memory-to-memory transfers do not exist, as in a PC/AT, where they fail.
/// </summary>
public sealed partial class Dma8237 : IUnit<Dma8237State>
{
    /// <summary>Ports of the first controller.</summary>
    public const int FirstPortCount = 16;

    /// <summary>Ports of the second one, every other of which it decodes.</summary>
    public const int SecondPortCount = 32;

    /// <summary>Ports of the page registers.</summary>
    public const int PagePortCount = PageCount;

    internal const int ChannelCount = 8;
    internal const int PageCount = 16;
    internal const int ControllerCount = 2;

    private const int ChannelsOfController = 4;
    private const byte Masked = 0xF;
    private const byte CommandDisable = 1 << 2;
    private const byte ModeAutoInitialize = 1 << 4;
    private const byte ModeDecrement = 1 << 5;
    private const int PageSize = 0x10000;

    // Wiring
    private readonly AddressSpace _memory;

    // Guest-visible state, under _gate
    private readonly Lock _gate = new();
    private readonly Controller[] _controllers = [new(), new()];
    private readonly Counter[] _channels = [.. Enumerable.Range(0, ChannelCount).Select(_ => new Counter())];
    private readonly byte[] _pages = new byte[PageCount];

    public Dma8237(AddressSpace memory)
    {
        _memory = memory;
        First = new ControllerPorts(this, 0);
        Second = new ControllerPorts(this, 1);
        Pages = new PagePorts(this);
    }

    private enum Direction
    {
        Verify = 0,
        ToMemory = 1,
        FromMemory = 2,
    }

    /// <summary>Ports 00h to 0Fh.</summary>
    public IPortDevice First { get; }

    /// <summary>Ports C0h to DFh.</summary>
    public IPortDevice Second { get; }

    /// <summary>Ports 80h to 8Fh: bits 16 to 23 of channels' addresses; those of no channel keep what is written.</summary>
    public IPortDevice Pages { get; }

    /// <summary>The wires of a channel, for the device on it.</summary>
    /// <param name="number">0..3, 5..7.</param>
    public IsaDmaChannel Channel(int number)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(number, ChannelCount);
        ArgumentOutOfRangeException.ThrowIfEqual(number, ChannelsOfController);
        return new IsaDmaChannel(this, number);
    }

    internal bool IsReady(int number)
    {
        lock (_gate)
        {
            return IsOpen(number);
        }
    }

    /// <summary>Moves bytes between a device and where the guest has pointed its channel to.</summary>
    /// <param name="fromDevice">What the device has; empty for the other direction.</param>
    /// <param name="toDevice">Room of the device; empty for the other direction.</param>
    /// <param name="isTerminal">The count has run out: TC.</param>
    /// <returns>Bytes moved; those that the guest points to no RAM for count, as on a bus where nobody answers.</returns>
    internal int Transfer(int number, ReadOnlySpan<byte> fromDevice, Span<byte> toDevice, out bool isTerminal)
    {
        isTerminal = false;
        int wanted = fromDevice.Length + toDevice.Length;
        lock (_gate)
        {
            Counter channel = _channels[number];
            int unit = number > ChannelsOfController ? 2 : 1;
            int moved = 0;
            while (moved < wanted && IsOpen(number))
            {
                int count = Math.Min((wanted - moved) / unit, channel.Run());
                if (count == 0)
                {
                    break; // half a word
                }

                Move(
                    number, channel, fromDevice.IsEmpty ? default : fromDevice.Slice(moved, count * unit),
                    toDevice.IsEmpty ? default : toDevice.Slice(moved, count * unit));
                moved += count * unit;
                if (channel.Step(count))
                {
                    isTerminal = true;
                    Terminate(number, channel);
                    break;
                }
            }

            return moved;
        }
    }

    private static int ControllerOf(int channel) => channel / ChannelsOfController;

    private bool IsOpen(int number)
    {
        Controller controller = _controllers[ControllerOf(number)];
        bool masked = (controller.Mask & (1 << (number % ChannelsOfController))) != 0;
        bool cascades = ControllerOf(number) != 0 || ((_controllers[1].Mask & 1) == 0 && (_controllers[1].Command & CommandDisable) == 0);
        return !masked && cascades && (controller.Command & CommandDisable) == 0;
    }

    private void Move(int number, Counter channel, ReadOnlySpan<byte> fromDevice, Span<byte> toDevice)
    {
        bool words = number > ChannelsOfController;
        ulong page = _pages[PageRegister(number)];
        ulong address = words ? ((page & 0xFE) << 16) | ((ulong)channel.Address << 1) : (page << 16) | channel.Address;
        switch (channel.Direction)
        {
            case Direction.ToMemory when !fromDevice.IsEmpty:
                _memory.TryWriteBytes(address, fromDevice);
                break;
            case Direction.FromMemory when !toDevice.IsEmpty:
                if (_memory.TryGetSpan(address, (uint)toDevice.Length, out ReadOnlySpan<byte> bytes))
                {
                    bytes.CopyTo(toDevice);
                }
                else
                {
                    toDevice.Fill(0xFF);
                }

                break;
            default: // verify, or another direction than the device's: addresses and counts only
                toDevice.Fill(0xFF);
                break;
        }
    }

    private void Terminate(int number, Counter channel)
    {
        Controller controller = _controllers[ControllerOf(number)];
        byte bit = (byte)(1 << (number % ChannelsOfController));
        controller.Terminal |= bit;
        controller.Request &= (byte)~bit;
        if ((channel.Mode & ModeAutoInitialize) != 0)
        {
            (channel.Address, channel.Count) = (channel.BaseAddress, channel.BaseCount);
        }
        else
        {
            controller.Mask |= bit;
        }
    }

    /// <summary>Which page register belongs to a channel: ports 87h, 83h, 81h, 82h, and 8Bh, 89h, 8Ah.</summary>
    private static int PageRegister(int channel) => channel switch
    {
        0 => 0x7,
        1 => 0x3,
        2 => 0x1,
        3 => 0x2,
        5 => 0xB,
        6 => 0x9,
        7 => 0xA,
        _ => 0xF, // channel 4, of the refresh
    };

    private sealed class Counter
    {
        public ushort BaseAddress { get; set; }

        public ushort BaseCount { get; set; }

        public ushort Address { get; set; }

        public ushort Count { get; set; }

        public byte Mode { get; set; }

        public Direction Direction => (Direction)((Mode >> 2) & 3);

        private bool Decrements => (Mode & ModeDecrement) != 0;

        /// <summary>Transfers that lie together in memory and come before the end of the count.</summary>
        public int Run() => Decrements ? 1 : Math.Min(Count + 1, PageSize - Address);

        /// <returns>True at the end of the count.</returns>
        public bool Step(int transfers)
        {
            Address = (ushort)(Decrements ? Address - transfers : Address + transfers);
            bool ends = transfers > Count;
            Count = (ushort)(Count - transfers);
            return ends;
        }
    }

    private sealed class Controller
    {
        public byte Command { get; set; }

        public byte Mask { get; set; } = Masked;

        public byte Request { get; set; }

        /// <summary>Channels that have come to the end of their count since the status was read.</summary>
        public byte Terminal { get; set; }

        /// <summary>The next access of a 16-bit register is its high byte.</summary>
        public bool IsHighNext { get; set; }
    }
}
