using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.State;
using Strata.Core.Time;

namespace Strata.Devices.Timers;

/// <summary>
/// Motorola MC146818 real-time clock with 128 bytes of CMOS RAM, ports 0x70 and 0x71. It shows the machine's wall time, or what the guest
/// has set, as a distance from it. Registers, updates, alarms and periodic interrupts count from the same second.
/// <code>
/// A: 7 UIP  6..4 divider  3..0 rate     B: 7 SET 6 PIE 5 AIE 4 UIE 3 SQWE 2 DM(binary) 1 24h 0 DSE
/// C: 7 IRQF 6 PF 5 AF 4 UF (read clears) D: 7 VRT
/// </code>
/// </summary>
public sealed partial class RtcMc146818 : IPortDevice, IUnit<RtcMc146818State>
{
    internal const int RamSize = 128;

    private const int RegisterA = 10;
    private const int RegisterB = 11;
    private const int RegisterC = 12;
    private const int RegisterD = 13;
    private const int Century = 0x32;
    private const byte DividerReset = 0x60; // bits 6 and 5 of register A
    private const byte Set = 0x80;
    private const byte PeriodicEnable = 0x40;
    private const byte AlarmEnable = 0x20;
    private const byte UpdateEnable = 0x10;
    private const byte SquareWaveEnable = 8;
    private const byte Binary = 4;
    private const byte TwentyFourHours = 2;
    private const byte InterruptRequest = 0x80;
    private const byte InterruptCauses = PeriodicEnable | AlarmEnable | UpdateEnable;
    private const long Second = 1_000_000_000;
    private const long SecondsPerDay = 86_400;
    private const long UpdateDuration = 244_000;
    private const long NanosecondsPerTick = TimeSpan.NanosecondsPerTick;

    // Wiring
    private readonly IVirtualClock _clock;
    private readonly WallClock _wall;
    private readonly InterruptLine _interrupt;
    private readonly IVirtualTimer _periodicTimer;
    private readonly IVirtualTimer _secondTimer;

    // Guest-visible state
    private readonly Lock _gate = new();
    private readonly byte[] _ram = new byte[RamSize];
    private byte _index;
    private long _offset;    // what the clock is ahead of the wall time, in units of 100 ns
    private long _flagsKnown; // virtual time up to which register C has the events that no timer runs for
    private long _periodicDue = VirtualTime.Never; // as the timers are armed
    private long _secondDue = VirtualTime.Never;

    /// <param name="wall">The guest sees it as it is (UTC by custom).</param>
    public RtcMc146818(IVirtualClock clock, WallClock wall, InterruptLine interrupt)
    {
        ArgumentNullException.ThrowIfNull(clock);
        ArgumentNullException.ThrowIfNull(wall);
        _clock = clock;
        _wall = wall;
        _interrupt = interrupt;
        _periodicTimer = clock.CreateTimer(OnTimer);
        _secondTimer = clock.CreateTimer(OnTimer);
        _flagsKnown = clock.Now;
        _ram[RegisterA] = 0x26;
        _ram[RegisterB] = TwentyFourHours;
        _ram[RegisterD] = 0x80;
        wall.Stepped += OnStep;
    }

    /// <summary>
    /// An alarm interrupts: the chipset's power management hears of it beside the interrupt controllers. Under the chip's lock; once, while
    /// the machine is built.
    /// </summary>
    public Action? AlarmRang { get; set; }

    /// <summary>A CMOS byte that firmware or an operating system looks at, set while the machine is built.</summary>
    public void SetByte(int index, byte value) => _ram[index] = value;

    public uint ReadPort(ushort offset, AccessWidth width)
    {
        lock (_gate)
        {
            CatchUp();
            return offset == 0 ? _index : Read(_index);
        }
    }

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        lock (_gate)
        {
            CatchUp();
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

    /// <summary>The registers stand still, for the guest to write them: by SET, or as the divider is held in reset.</summary>
    private bool IsHeld => (_ram[RegisterB] & Set) != 0 || IsDividerReset;

    private bool IsDividerReset => (_ram[RegisterA] & DividerReset) == DividerReset;

    private byte Read(int index)
    {
        switch (index)
        {
            case <= 9 and not (1 or 3 or 5):
            case Century:
                return ReadTime(index);
            case RegisterA:
                bool updating = Phase(_clock.Now) > Second - UpdateDuration && !IsHeld;
                return (byte)(_ram[RegisterA] | (updating ? 0x80 : 0));
            case RegisterC:
                NotePassedEvents();
                byte flags = _ram[RegisterC];
                _ram[RegisterC] = 0;
                _interrupt.Set(false);
                return flags;
            default:
                return _ram[index];
        }
    }

    private void Write(int index, byte value)
    {
        switch (index)
        {
            case RegisterA:
                WriteControls((byte)(value & 0x7F), _ram[RegisterB]);
                break;
            case RegisterB:
                WriteControls(_ram[RegisterA], (value & Set) != 0 ? (byte)(value & ~UpdateEnable) : value); // SET clears UIE
                break;
            case RegisterC or RegisterD:
                break;
            case <= 9 and not (1 or 3 or 5):
            case Century:
                WriteTime(index, value);
                break;
            default:
                _ram[index] = value;
                break;
        }
    }

    private void WriteTime(int index, byte value)
    {
        if (IsHeld)
        {
            _ram[index] = value;
            return;
        }

        FreezeTime();
        _ram[index] = value;
        ThawTime(Fraction);
    }

    /// <summary>Registers A and B: both can hold the time.</summary>
    private void WriteControls(byte a, byte b)
    {
        bool wasHeld = IsHeld;
        bool wasReset = IsDividerReset;
        NotePassedEvents();
        if (!wasHeld)
        {
            FreezeTime(); // in the format that register B has up to now
        }

        (_ram[RegisterA], _ram[RegisterB]) = (a, b);
        if (wasReset && !IsDividerReset)
        {
            // The first update comes half a second behind the end of the divider's reset.
            ThawTime(TimeSpan.TicksPerSecond / 2);
        }
        else if (wasHeld && !IsHeld)
        {
            ThawTime(Fraction);
        }

        Schedule();
    }

    /// <summary>The flags of events that no timer ran for because their interrupts are off: a guest may poll them.</summary>
    private void NotePassedEvents()
    {
        long now = _clock.Now;
        bool updated = !IsHeld && Count(now, 1) > Count(_flagsKnown, 1);
        bool ticked = PeriodicRate is var rate and not 0 && Count(now, rate) > Count(_flagsKnown, rate);
        _ram[RegisterC] |= (byte)((updated ? UpdateEnable : 0) | (ticked ? PeriodicEnable : 0));
        _flagsKnown = now;
    }

    /// <summary>Arms the timers that the enabled interrupts need; with none enabled nothing runs.</summary>
    private void Schedule()
    {
        long now = _clock.Now;
        _periodicDue = (_ram[RegisterB] & PeriodicEnable) != 0 && PeriodicRate is var rate and not 0 ? Next(now, rate) : VirtualTime.Never;
        _secondDue = (_ram[RegisterB] & (AlarmEnable | UpdateEnable)) != 0 ? Next(now, 1) : VirtualTime.Never;
        ArmTimers();
    }

    private void ArmTimers()
    {
        _periodicTimer.ArmOrDisarm(_periodicDue);
        _secondTimer.ArmOrDisarm(_secondDue);
    }

    private void OnTimer()
    {
        lock (_gate)
        {
            CatchUp();
        }
    }

    /// <summary>The wall time has moved, and the seconds with it. An alarm that was set for the time in between is due.</summary>
    private void OnStep(TimeSpan by)
    {
        lock (_gate)
        {
            long last = Time.Ticks / TimeSpan.TicksPerSecond;
            long first = Math.Max(((Time.Ticks - by.Ticks) / TimeSpan.TicksPerSecond) + 1, last - SecondsPerDay + 1);
            for (long second = Math.Max(first, 0); second <= last && !IsHeld; second++)
            {
                if (AlarmMatches(new DateTime(second * TimeSpan.TicksPerSecond)))
                {
                    Raise(AlarmEnable);
                    break;
                }
            }

            Schedule();
        }
    }

    /// <summary>Whatever is due by now happens, also where a guest looks before the clock's thread gets there.</summary>
    private void CatchUp()
    {
        long now = _clock.Now;
        if (_periodicDue > now && _secondDue > now)
        {
            return;
        }

        if (_periodicDue <= now)
        {
            Raise(PeriodicEnable);
        }

        if (_secondDue <= now && !IsHeld)
        {
            Raise((byte)(UpdateEnable | (AlarmMatches(Time) ? AlarmEnable : 0)));
        }

        Schedule();
    }

    private bool AlarmMatches(DateTime time)
    {
        bool Matches(int alarm, int index) => (_ram[alarm] & 0xC0) == 0xC0 || _ram[alarm] == Encode(index, time);
        return Matches(1, 0) && Matches(3, 2) && Matches(5, 4);
    }

    private void Raise(byte cause)
    {
        _ram[RegisterC] |= cause;
        if ((cause & _ram[RegisterB] & AlarmEnable) != 0)
        {
            AlarmRang?.Invoke();
        }

        if ((_ram[RegisterC] & _ram[RegisterB] & InterruptCauses) != 0)
        {
            _ram[RegisterC] |= InterruptRequest;
            _interrupt.Set(true);
        }
    }
}
