using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.State;
using Strata.Core.Time;

namespace Strata.Devices.Timers;

/// <summary>
/// Intel 8254 interval timer, 1.193182 MHz, with the PC's port 0x61. Channel 0 drives IRQ 0, channel 2 the speaker. Intel 8254 data sheet
/// (231164).
/// </summary>
public sealed partial class Pit8254 : IPortDevice, IUnit<Pit8254State>
{
    public const long Frequency = 1_193_182;

    internal const int ChannelCount = 3;

    // Wiring
    private readonly IVirtualClock _clock;
    private readonly InterruptLine _interrupt;
    private readonly IVirtualTimer _timer;

    // Guest-visible state
    private readonly Lock _gate = new();
    private readonly Channel[] _channels;
    private bool _speakerData;
    private long _nextRise = VirtualTime.Never; // when channel 0's output rises next, as the timer is armed

    public Pit8254(IVirtualClock clock, InterruptLine interrupt)
    {
        _clock = clock;
        _interrupt = interrupt;
        _timer = clock.CreateTimer(OnTimer);
        _channels = [new Channel { Gate = true }, new Channel { Gate = true }, new Channel()];
        Speaker = new SpeakerPort(this);
    }

    /// <summary>Port 0x61: gate of channel 2, speaker data, refresh toggle and channel 2's output.</summary>
    public IPortDevice Speaker { get; }

    public uint ReadPort(ushort offset, AccessWidth width)
    {
        if (offset == 3)
        {
            return 0;
        }

        lock (_gate)
        {
            return _channels[offset].Read(_clock.Now);
        }
    }

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        lock (_gate)
        {
            if (offset == 3)
            {
                WriteControl((byte)value);
            }
            else if (_channels[offset].Write((byte)value, _clock.Now) && offset == 0)
            {
                Schedule();
            }

            DriveSpeaker();
        }
    }

    private static long ToNanoseconds(long ticks) => (long)((Int128)ticks * 1_000_000_000 / Frequency);

    private static long ToTicks(long nanoseconds) => (long)((Int128)nanoseconds * Frequency / 1_000_000_000);

    private void WriteControl(byte value)
    {
        int select = value >> 6;
        if (select == 3)
        {
            for (int i = 0; i < 3; i++)
            {
                if ((value & (2 << i)) != 0)
                {
                    _channels[i].LatchBack(value, _clock.Now);
                }
            }

            return;
        }

        Channel channel = _channels[select];
        if ((value & 0x30) == 0)
        {
            channel.LatchCount(_clock.Now);
            return;
        }

        channel.Configure(value);
        if (select == 0)
        {
            _nextRise = VirtualTime.Never;
            _timer.Disarm();
            _interrupt.Set(channel.Output(_clock.Now));
        }
    }

    /// <summary>Arms the host side for the next rising edge of channel 0's output.</summary>
    private void Schedule()
    {
        _interrupt.Set(_channels[0].Output(_clock.Now));
        Arm();
    }

    private void Arm()
    {
        _nextRise = _channels[0].NextRise(_clock.Now) ?? VirtualTime.Never;
        _timer.ArmOrDisarm(_nextRise);
    }

    private void OnTimer()
    {
        lock (_gate)
        {
            Channel channel = _channels[0];
            if (_nextRise > _clock.Now)
            {
                return; // programmed anew while this was under way
            }

            if (channel.IsPulsed)
            {
                _interrupt.Set(false);
                _interrupt.Set(true);
                Arm();
            }
            else
            {
                Schedule();
            }
        }
    }

    private sealed class SpeakerPort(Pit8254 pit) : IPortDevice
    {
        private const long RefreshPeriod = 15_085;

        public uint ReadPort(ushort offset, AccessWidth width)
        {
            lock (pit._gate)
            {
                long now = pit._clock.Now;
                Channel channel = pit._channels[SpeakerChannel];
                uint refresh = (uint)(now / RefreshPeriod) & 1;
                return (channel.Gate ? 1u : 0) | (pit._speakerData ? 2u : 0) | (refresh << 4) | (channel.Output(now) ? 0x20u : 0);
            }
        }

        public void WritePort(ushort offset, AccessWidth width, uint value)
        {
            lock (pit._gate)
            {
                pit._speakerData = (value & 2) != 0;
                pit._channels[SpeakerChannel].SetGate((value & 1) != 0, pit._clock.Now);
                pit.DriveSpeaker();
            }
        }
    }

    /// <summary>One counter. Its value follows from the time it was loaded; nothing ticks.</summary>
    private sealed partial class Channel
    {
        private int _mode;
        private int _access = 3;
        private bool _bcd;
        private int _reload = 0x10000;
        private byte _low;
        private bool _writeHigh;
        private bool _readHigh;
        private int _latched = -1;
        private int _latchedStatus = -1;
        private long _start;
        private long _gateFell;
        private bool _loaded;
        private bool _triggered;

        public bool Gate { get; set; }

        /// <summary>The output is high but for a while before it rises again.</summary>
        public bool IsPulsed => _mode is not (0 or 1);

        private bool IsPeriodic => _mode is 2 or 3;

        /// <summary>Modes 1 and 5 start with a rising gate.</summary>
        private bool AwaitsTrigger => _mode is 1 or 5 && !_triggered;

        public void Configure(byte control)
        {
            _access = (control >> 4) & 3;
            _mode = (control >> 1) & 7;
            _mode = _mode > 5 ? _mode - 4 : _mode;
            _bcd = (control & 1) != 0;
            _loaded = _triggered = false;
            _writeHigh = _readHigh = false;
            _latched = _latchedStatus = -1;
        }

        /// <returns>True if counting starts anew.</returns>
        public bool Write(byte value, long now)
        {
            int count;
            switch (_access)
            {
                case 1:
                    count = value;
                    break;
                case 2:
                    count = value << 8;
                    break;
                default:
                    if (!_writeHigh)
                    {
                        _low = value;
                        _writeHigh = true;
                        return false;
                    }

                    _writeHigh = false;
                    count = _low | (value << 8);
                    break;
            }

            count = _bcd ? FromBcd(count) : count;
            _reload = count != 0 ? count : _bcd ? 10_000 : 0x10000;
            _loaded = true;
            if (_mode is not (1 or 5))
            {
                _start = now;
            }

            return true;
        }

        public void SetGate(bool high, long now)
        {
            if (high && !Gate)
            {
                _start = _mode is 0 or 4 ? _start + now - Math.Max(_gateFell, _start) : now;
                _triggered = _loaded;
            }
            else if (!high && Gate)
            {
                _gateFell = now;
            }

            Gate = high;
        }

        public byte Read(long now)
        {
            if (_latchedStatus >= 0)
            {
                byte status = (byte)_latchedStatus;
                _latchedStatus = -1;
                return status;
            }

            int count = _latched >= 0 ? _latched : CurrentCount(now);
            bool high = _access == 2 || (_access == 3 && _readHigh);
            if (_access == 3)
            {
                _readHigh = !_readHigh;
            }

            if (_access != 3 || !_readHigh)
            {
                _latched = -1;
            }

            return (byte)(high ? count >> 8 : count);
        }

        public void LatchCount(long now)
        {
            if (_latched < 0)
            {
                _latched = CurrentCount(now);
            }
        }

        public void LatchBack(byte command, long now)
        {
            if ((command & 0x20) == 0)
            {
                LatchCount(now);
            }

            if ((command & 0x10) == 0 && _latchedStatus < 0)
            {
                _latchedStatus = (Output(now) ? 0x80 : 0) | (_loaded ? 0 : 0x40) | (_access << 4) | (_mode << 1) | (_bcd ? 1 : 0);
            }
        }

        public bool Output(long now)
        {
            if (!_loaded)
            {
                return _mode != 0;
            }

            long ticks = Elapsed(now);
            return _mode switch
            {
                _ when AwaitsTrigger => true,
                0 or 1 => ticks >= _reload,
                2 or 3 when !Gate => true,
                2 => ticks % _reload != _reload - 1,
                3 => ticks % _reload < (_reload + 1) / 2,
                _ => ticks != _reload,
            };
        }

        /// <summary>When the output rises next, or null if it never does.</summary>
        public long? NextRise(long now)
        {
            if (!_loaded || AwaitsTrigger)
            {
                return null;
            }

            long ticks = Elapsed(now);
            if (IsPeriodic)
            {
                return _start + ToNanoseconds(((ticks / _reload) + 1) * _reload) + 1;
            }

            return ticks < _reload ? _start + ToNanoseconds(_reload) + 1_000 : null;
        }

        /// <summary>Ticks counted so far: none before the trigger, and none while a low gate holds the counter.</summary>
        private long Elapsed(long now)
        {
            bool counts = Gate || _mode is 1 or 5;
            return AwaitsTrigger ? 0 : ToTicks((counts ? now : Math.Max(_gateFell, _start)) - _start);
        }

        private int CurrentCount(long now)
        {
            if (!_loaded)
            {
                return _reload & 0xFFFF;
            }

            long ticks = Elapsed(now);
            long count = _mode switch
            {
                2 => _reload - (ticks % _reload),
                3 => (_reload - (2 * ticks % _reload)) & ~1L,
                _ => _reload - ticks,
            };
            return _bcd ? ToBcd((int)(((count % 10_000) + 10_000) % 10_000)) : (int)(count & 0xFFFF);
        }

        private static int FromBcd(int value) =>
            (value & 0xF) + ((value >> 4 & 0xF) * 10) + ((value >> 8 & 0xF) * 100) + ((value >> 12 & 0xF) * 1000);

        private static int ToBcd(int value) =>
            (value % 10) | (value / 10 % 10 << 4) | (value / 100 % 10 << 8) | (value / 1000 % 10 << 12);
    }
}
