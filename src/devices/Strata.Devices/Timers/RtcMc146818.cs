using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.Time;

namespace Strata.Devices.Timers;

/// <summary>
/// Motorola MC146818 real-time clock with 128 bytes of CMOS RAM, ports 0x70 and 0x71. The wall time is the start time plus virtual time.
/// <code>
/// A: 7 UIP  6..4 divider  3..0 rate     B: 7 SET 6 PIE 5 AIE 4 UIE 3 SQWE 2 DM(binary) 1 24h 0 DSE
/// C: 7 IRQF 6 PF 5 AF 4 UF (read clears) D: 7 VRT
/// </code>
/// </summary>
public sealed class RtcMc146818 : IPortDevice
{
    private const int RegisterA = 10;
    private const int RegisterB = 11;
    private const int RegisterC = 12;
    private const int RegisterD = 13;
    private const int Century = 0x32;
    private const byte Set = 0x80;
    private const byte PeriodicEnable = 0x40;
    private const byte AlarmEnable = 0x20;
    private const byte UpdateEnable = 0x10;
    private const byte Binary = 4;
    private const byte TwentyFourHours = 2;
    private const long Second = 1_000_000_000;
    private const long UpdateDuration = 244_000;

    private readonly IVirtualClock _clock;
    private readonly InterruptLine _interrupt;
    private readonly IVirtualTimer _periodicTimer;
    private readonly IVirtualTimer _secondTimer;
    private readonly Lock _gate = new();
    private readonly byte[] _ram = new byte[128];
    private DateTime _base;
    private long _baseTime;
    private long _flagsRead;
    private byte _index;

    /// <param name="start">Wall time at virtual time zero; the guest sees it as it is (UTC by custom).</param>
    public RtcMc146818(IVirtualClock clock, InterruptLine interrupt, DateTime start)
    {
        _clock = clock;
        _interrupt = interrupt;
        _base = start;
        _baseTime = clock.Now;
        _periodicTimer = clock.CreateTimer(OnPeriodic);
        _secondTimer = clock.CreateTimer(OnSecond);
        _ram[RegisterA] = 0x26;
        _ram[RegisterB] = TwentyFourHours;
        _ram[RegisterD] = 0x80;
    }

    /// <summary>A CMOS byte that firmware or an operating system looks at, set while the machine is built.</summary>
    public void SetByte(int index, byte value) => _ram[index] = value;

    public uint ReadPort(ushort offset, AccessWidth width)
    {
        lock (_gate)
        {
            return offset == 0 ? _index : Read(_index);
        }
    }

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        lock (_gate)
        {
            if (offset == 0)
            {
                _index = (byte)(value & 0x7F); // bit 7 masks NMI, of which a PC chipset has no other source here
            }
            else
            {
                Write(_index, (byte)value);
            }
        }
    }

    /// <summary>The calendar ends with the year 9999 and stands still there.</summary>
    private DateTime Wall => _base.AddTicks(Math.Min((_clock.Now - _baseTime) / 100, (DateTime.MaxValue - _base).Ticks));

    private byte Read(int index)
    {
        switch (index)
        {
            case <= 9 and not (1 or 3 or 5):
            case Century:
                return ReadTime(index);
            case RegisterA:
                bool updating = (_clock.Now - _baseTime) % Second > Second - UpdateDuration && (_ram[RegisterB] & Set) == 0;
                return (byte)(_ram[RegisterA] | (updating ? 0x80 : 0));
            case RegisterC:
                byte flags = (byte)(_ram[RegisterC] | PassedEvents());
                _ram[RegisterC] = 0;
                _flagsRead = _clock.Now;
                _interrupt.Set(false);
                return flags;
            default:
                return _ram[index];
        }
    }

    /// <summary>The flags of events that no timer ran for because their interrupts are off: a guest may poll them.</summary>
    private byte PassedEvents()
    {
        long since = Math.Max(_flagsRead, _baseTime) - _baseTime;
        long now = _clock.Now - _baseTime;
        bool updated = (_ram[RegisterB] & Set) == 0 && now / Second > since / Second;
        bool ticked = PeriodicInterval() is { } interval && now / interval > since / interval;
        return (byte)((updated ? UpdateEnable : 0) | (ticked ? PeriodicEnable : 0));
    }

    private byte ReadTime(int index)
    {
        if ((_ram[RegisterB] & Set) != 0)
        {
            return _ram[index];
        }

        DateTime wall = Wall;
        int hour = wall.Hour;
        bool afternoon = hour >= 12;
        if ((_ram[RegisterB] & TwentyFourHours) == 0)
        {
            hour = hour % 12 == 0 ? 12 : hour % 12;
        }

        return index switch
        {
            0 => Encode(wall.Second),
            2 => Encode(wall.Minute),
            4 => (byte)(Encode(hour) | ((_ram[RegisterB] & TwentyFourHours) == 0 && afternoon ? 0x80 : 0)),
            6 => Encode((int)wall.DayOfWeek + 1),
            7 => Encode(wall.Day),
            8 => Encode(wall.Month),
            9 => Encode(wall.Year % 100),
            _ => Encode(wall.Year / 100),
        };
    }

    private byte Encode(int value) => (_ram[RegisterB] & Binary) != 0 ? (byte)value : (byte)(((value / 10) << 4) | (value % 10));

    private int Decode(byte value) => (_ram[RegisterB] & Binary) != 0 ? value : ((value >> 4) * 10) + (value & 0xF);

    private void Write(int index, byte value)
    {
        switch (index)
        {
            case RegisterA:
                _ram[RegisterA] = (byte)(value & 0x7F);
                Schedule();
                break;
            case RegisterB:
                WriteControl(value);
                break;
            case RegisterC or RegisterD:
                break;
            case <= 9 and not (1 or 3 or 5):
            case Century:
                if ((_ram[RegisterB] & Set) == 0)
                {
                    FreezeTime();
                }

                _ram[index] = value;
                if ((_ram[RegisterB] & Set) == 0)
                {
                    ThawTime();
                }

                break;
            default:
                _ram[index] = value;
                break;
        }
    }

    private void WriteControl(byte value)
    {
        bool freezes = (value & Set) != 0 && (_ram[RegisterB] & Set) == 0;
        bool thaws = (value & Set) == 0 && (_ram[RegisterB] & Set) != 0;
        if (freezes)
        {
            FreezeTime();
        }

        _ram[RegisterB] = (value & Set) != 0 ? (byte)(value & ~UpdateEnable) : value; // SET clears UIE
        if (thaws)
        {
            ThawTime();
        }

        Schedule();
    }

    /// <summary>Copies the running time into the registers, which the guest then edits.</summary>
    private void FreezeTime()
    {
        foreach (int index in (ReadOnlySpan<int>)[0, 2, 4, 6, 7, 8, 9, Century])
        {
            _ram[index] = ReadTime(index);
        }
    }

    /// <summary>Starts from what the registers say; an impossible date keeps the old time.</summary>
    private void ThawTime()
    {
        int hour = Decode((byte)(_ram[4] & 0x7F));
        if ((_ram[RegisterB] & TwentyFourHours) == 0)
        {
            hour = (hour % 12) + ((_ram[4] & 0x80) != 0 ? 12 : 0);
        }

        int year = (Decode(_ram[Century]) * 100) + Decode(_ram[9]);
        int month = Decode(_ram[8]);
        int day = Decode(_ram[7]);
        bool valid = year is >= 1 and <= 9999 && month is >= 1 and <= 12 && day >= 1 && day <= DateTime.DaysInMonth(year, month)
            && hour <= 23 && Decode(_ram[2]) <= 59 && Decode(_ram[0]) <= 59;
        if (valid)
        {
            _base = new DateTime(year, month, day, hour, Decode(_ram[2]), Decode(_ram[0]), DateTimeKind.Utc);
            _baseTime = _clock.Now;
        }
    }

    /// <summary>Arms the timers that the enabled interrupts need; with none enabled nothing runs.</summary>
    private void Schedule()
    {
        if ((_ram[RegisterB] & PeriodicEnable) != 0 && PeriodicInterval() is { } interval)
        {
            _periodicTimer.Arm(_clock.Now + interval);
        }
        else
        {
            _periodicTimer.Disarm();
        }

        if ((_ram[RegisterB] & (AlarmEnable | UpdateEnable)) != 0)
        {
            long phase = (_clock.Now - _baseTime) % Second;
            _secondTimer.Arm(_clock.Now + Second - phase);
        }
        else
        {
            _secondTimer.Disarm();
        }
    }

    private long? PeriodicInterval()
    {
        int rate = _ram[RegisterA] & 0xF;
        if (rate == 0)
        {
            return null;
        }

        rate = rate <= 2 ? rate + 7 : rate;
        return Second * (1L << (rate - 1)) / 32768;
    }

    private void OnPeriodic()
    {
        lock (_gate)
        {
            if ((_ram[RegisterB] & PeriodicEnable) != 0 && PeriodicInterval() is { } interval)
            {
                Raise(PeriodicEnable);
                _periodicTimer.Arm(_clock.Now + interval);
            }
        }
    }

    private void OnSecond()
    {
        lock (_gate)
        {
            if ((_ram[RegisterB] & Set) == 0)
            {
                Raise((byte)(UpdateEnable | (AlarmMatches() ? AlarmEnable : 0)));
            }

            Schedule();
        }
    }

    private bool AlarmMatches()
    {
        bool Matches(int alarm, int time) => (_ram[alarm] & 0xC0) == 0xC0 || _ram[alarm] == ReadTime(time);
        return Matches(1, 0) && Matches(3, 2) && Matches(5, 4);
    }

    private void Raise(byte cause)
    {
        _ram[RegisterC] |= cause;
        if ((_ram[RegisterC] & _ram[RegisterB] & 0x70) != 0)
        {
            _ram[RegisterC] |= 0x80;
            _interrupt.Set(true);
        }
    }
}
