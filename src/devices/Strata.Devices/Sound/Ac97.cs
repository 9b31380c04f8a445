using Strata.Core.Bus;
using Strata.Core.Sound;
using Strata.Core.State;
using Strata.Core.Time;
using Strata.Devices.Pci;
using static Strata.Devices.Sound.Ac97Registers;

namespace Strata.Devices.Sound;

/// <summary>
/// AC '97 sound as of Intel's 82801AA, with a codec that plays two channels of 16 bits at 48 kHz: what is played goes to a sink, as loud
/// as the codec is set to. Recording channels are there and give nothing. Time moves the position in a buffer; nothing ticks but for
/// interrupts. Not there: variable rates, modem, more than two channels.
/// </summary>
public sealed partial class Ac97 : PciFunction, IDisposable
{
    private const int MixerSize = 256;
    private const int BusMasterSize = 64;
    private const long Second = 1_000_000_000;
    private const long ShortestWait = Second / 1000;
    private const int FrameBytes = 4;

    /// <summary>Frames that are fetched at once; those of a longer standstill are skipped.</summary>
    private const int MostFrames = ISoundSink.Rate;

    // Wiring
    private readonly AddressSpace _memory;
    private readonly IVirtualClock _clock;
    private readonly IVirtualTimer _timer;
    private readonly ISoundSink _sink;
    private readonly Unit _unit;

    // Guest-visible state, under _gate
    private readonly Lock _gate = new();
    private readonly ushort[] _mixer = new ushort[MixerSize / 2];
    private readonly Ac97Channel[] _channels = [.. Enumerable.Range(0, ChannelCount).Select(_ => new Ac97Channel())];
    private uint _control;
    private bool _isSemaphoreTaken;
    private long _playedUntil; // virtual time up to which the output channel has played

    /// <param name="sink">The controller's from here on.</param>
    public Ac97(AddressSpace memory, IVirtualClock clock, ISoundSink sink)
        : base(new PciIdentity(0x8086, 0x2415, 0x040100, 1, 0x1AF4, 0x1100))
    {
        ArgumentNullException.ThrowIfNull(clock);
        (_memory, _clock, _sink) = (memory, clock, sink);
        _timer = clock.CreateTimer(OnTime);
        _unit = new Unit(this);
        SetDefaults();
        UseInterruptPin(1);
        AddIoBar(0, MixerSize, new MixerPorts(this));
        AddIoBar(1, BusMasterSize, new BusMasterPorts(this));
    }

    /// <inheritdoc/>
    public override IEnumerable<IUnit> Units => [this, _unit];

    private Ac97Channel Output => _channels[OutputChannel];

    /// <summary>Ends playing, and disposes the sink.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            Output.Control = 0;
        }

        _timer.Dispose();
        _sink.Dispose();
    }

    private void SetDefaults()
    {
        Array.ForEach(_channels, channel => channel.Reset());
        (_control, _isSemaphoreTaken) = (0, false);
        ResetMixer();
        _timer.Disarm();
    }

    /// <summary>All sources are mute and the codec is ready, as its specification has it.</summary>
    private void ResetMixer()
    {
        Array.Clear(_mixer);
        foreach (int register in (ReadOnlySpan<int>)[MasterVolume, 0x04, 0x06])
        {
            _mixer[register / 2] = Mute;
        }

        foreach (int register in (ReadOnlySpan<int>)[0x0C, 0x0E])
        {
            _mixer[register / 2] = Mute | 0x08;
        }

        foreach (int register in (ReadOnlySpan<int>)[0x10, 0x12, 0x14, 0x16, PcmVolume])
        {
            _mixer[register / 2] = Mute | 0x0808;
        }

        _mixer[0x1C / 2] = Mute;
        _mixer[PowerDown / 2] = 0x000F;
        _mixer[DacRate / 2] = _mixer[AdcRate / 2] = ISoundSink.Rate;
        (_mixer[VendorId1 / 2], _mixer[VendorId2 / 2]) = (0x8384, 0x7600);
    }

    private void WriteMixer(int register, ushort value)
    {
        switch (register)
        {
            case 0:
                ResetMixer();
                break;
            case PowerDown:
                _mixer[PowerDown / 2] = (ushort)((value & 0xFF00) | 0x000F);
                break;
            case MasterVolume or 0x04 or 0x06 or 0x0A or (>= 0x0C and <= 0x1C) or 0x20 or 0x22:
                _mixer[register / 2] = (ushort)(value & 0xBF3F);
                break;
            default:
                break; // rates are fixed
        }
    }

    private ushort ReadStatus(Ac97Channel channel) => (ushort)(
        channel.Status | (channel.Current == channel.Last && (channel.Status & SrHalted) != 0 ? SrLast : 0));

    /// <summary>The controller's own registers begin behind those of the last channel.</summary>
    private static bool IsOfChannel(int offset) => offset < GLOB_CNT && offset % ChannelStride < ChannelRegisters;

    private uint ReadBusMaster(int offset, AccessWidth width)
    {
        CatchUp();
        if (IsOfChannel(offset))
        {
            return (uint)((ReadChannel(_channels[offset / ChannelStride]) >> ((offset & 0xF) * 8)) & width.Mask());
        }

        switch (offset)
        {
            case GLOB_CNT:
                return _control;
            case GLOB_STA:
                return ReadGlobalStatus();
            case CAS:
                uint was = _isSemaphoreTaken ? 1u : 0;
                _isSemaphoreTaken = true;
                return was;
            default:
                return 0;
        }
    }

    /// <summary>The twelve bytes of a channel's registers.</summary>
    private UInt128 ReadChannel(Ac97Channel channel) =>
        channel.List
        | ((UInt128)channel.Current << (CIV * 8))
        | ((UInt128)channel.Last << (LVI * 8))
        | ((UInt128)ReadStatus(channel) << (SR * 8))
        | ((UInt128)channel.Left << (PICB * 8))
        | ((UInt128)((channel.Current + 1) % BufferCount) << (PIV * 8))
        | ((UInt128)channel.Control << (CR * 8));

    private uint ReadGlobalStatus()
    {
        uint status = (_control & ControlCold) != 0 ? StatusCodecReady : 0;
        foreach ((int number, Ac97Channel channel) in _channels.Index())
        {
            status |= channel.IsInterrupting ? StatusInputInterrupt << number : 0;
        }

        return status;
    }

    private void WriteBusMaster(int offset, AccessWidth width, uint value)
    {
        CatchUp();
        if (IsOfChannel(offset))
        {
            for (int i = 0; i < (int)width; i++)
            {
                WriteChannel(_channels[offset / ChannelStride], (offset & 0xF) + i, (byte)(value >> (i * 8)));
            }
        }
        else if (offset == GLOB_CNT && width == AccessWidth.Dword)
        {
            bool wasCold = (_control & ControlCold) == 0;
            _control = value & ControlWritable & ~ControlWarm; // a warm reset is over at once
            if (wasCold && (_control & ControlCold) != 0)
            {
                ResetMixer();
            }
        }

        UpdateInterrupt();
        Arm();
    }

    private void WriteChannel(Ac97Channel channel, int register, byte value)
    {
        switch (register)
        {
            case < CIV:
                uint mask = 0xFFu << (register * 8);
                channel.List = ((channel.List & ~mask) | ((uint)value << (register * 8))) & ~7u;
                break;
            case LVI:
                channel.Last = (byte)(value % BufferCount);
                GoOn(channel);
                break;
            case SR:
                channel.Status &= (ushort)~(value & SrClearable);
                break;
            case CR when (value & CrReset) != 0:
                channel.Reset();
                break;
            case CR:
                bool starts = (value & CrRun) != 0 && (channel.Control & CrRun) == 0;
                channel.Control = (byte)(value & CrWritable);
                if ((value & CrRun) == 0)
                {
                    channel.Status |= SrHalted;
                }
                else if (starts)
                {
                    GoOn(channel);
                }

                break;
            default:
                break;
        }
    }

    private void UpdateInterrupt() => SetInterrupt(_channels.Any(channel => channel.IsInterrupting));

    private sealed class MixerPorts(Ac97 owner) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width)
        {
            lock (owner._gate)
            {
                owner._isSemaphoreTaken = false;
                return (uint)(owner._mixer[offset / 2] & width.Mask());
            }
        }

        public void WritePort(ushort offset, AccessWidth width, uint value)
        {
            lock (owner._gate)
            {
                owner._isSemaphoreTaken = false;
                if (width != AccessWidth.Byte && offset % 2 == 0)
                {
                    owner.CatchUp(); // what was played before had the volume of before
                    owner.WriteMixer(offset, (ushort)value);
                }
            }
        }
    }

    private sealed class BusMasterPorts(Ac97 owner) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width)
        {
            lock (owner._gate)
            {
                return owner.ReadBusMaster(offset, width);
            }
        }

        public void WritePort(ushort offset, AccessWidth width, uint value)
        {
            lock (owner._gate)
            {
                owner.WriteBusMaster(offset, width, value);
            }
        }
    }
}

/// <summary>A channel of an AC '97 controller. Under its lock.</summary>
internal sealed class Ac97Channel
{
    public uint List { get; set; }

    public byte Current { get; set; }

    public byte Last { get; set; }

    public ushort Status { get; set; }

    /// <summary>Samples of the current buffer that were not played.</summary>
    public ushort Left { get; set; }

    public byte Control { get; set; }

    /// <summary>Where the current buffer goes on.</summary>
    public uint Address { get; set; }

    /// <summary>A buffer was fetched since the reset.</summary>
    public bool HasStarted { get; set; }

    /// <summary>Of the current buffer.</summary>
    public bool InterruptsAtEnd { get; set; }

    public bool IsPlaying => (Control & CrRun) != 0 && (Status & SrHalted) == 0;

    public bool IsInterrupting =>
        ((Status & SrLastInterrupt) != 0 && (Control & CrLastEnable) != 0)
        || ((Status & SrBufferInterrupt) != 0 && (Control & CrBufferEnable) != 0)
        || ((Status & SrError) != 0 && (Control & CrErrorEnable) != 0);

    public void Reset()
    {
        (List, Current, Last, Status, Left, Control, Address) = (0, 0, 0, SrHalted, 0, 0, 0);
        (InterruptsAtEnd, HasStarted) = (false, false);
    }
}
