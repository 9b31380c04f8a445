namespace Strata.Devices.Timers;

/// <summary>The time in the registers, and where its seconds and their fractions begin.</summary>
public sealed partial class RtcMc146818
{
    private static ReadOnlySpan<byte> TimeRegisters => [0, 2, 4, 6, 7, 8, 9, Century];

    /// <summary>Of the running clock at virtual time zero, in units of 100 ns; it may lie outside of the calendar.</summary>
    private long Origin => _wall.Origin.Ticks + _offset;

    /// <summary>Time of day; the calendar ends with the year 9999 and stands still there.</summary>
    private DateTime Time => new(Math.Clamp(Origin + (_clock.Now / NanosecondsPerTick), 0, DateTime.MaxValue.Ticks));

    /// <summary>Of the running clock's second, in units of 100 ns.</summary>
    private long Fraction => Phase(_clock.Now) / NanosecondsPerTick;

    /// <summary>Nanoseconds of a second that have passed at virtual time zero.</summary>
    private long PhaseAtStart =>
        ((Origin % TimeSpan.TicksPerSecond) + TimeSpan.TicksPerSecond) % TimeSpan.TicksPerSecond * NanosecondsPerTick;

    /// <summary>Hz of the periodic interrupt; 0 for none.</summary>
    private int PeriodicRate => (_ram[RegisterA] & 0xF) switch
    {
        0 => 0,
        var rate and (1 or 2) => 32768 >> (rate + 6), // as 8 and 9
        var rate => 32768 >> (rate - 1),
    };

    /// <summary>Nanoseconds of the clock's second that have passed.</summary>
    private long Phase(long now) => (PhaseAtStart + now) % Second;

    /// <summary>How many times something has happened that happens at a rate; counted from a second's beginning.</summary>
    private long Count(long now, int hertz) => (long)((Int128)(PhaseAtStart + now) * hertz / Second);

    /// <summary>When it happens next: the first nanosecond at which it is counted.</summary>
    private long Next(long now, int hertz) => (long)(((((Int128)Count(now, hertz) + 1) * Second) + hertz - 1) / hertz) - PhaseAtStart;

    private byte ReadTime(int index) => IsHeld ? _ram[index] : Encode(index, Time);

    /// <summary>What a register of the time shows.</summary>
    private byte Encode(int index, DateTime time)
    {
        int hour = time.Hour;
        bool afternoon = hour >= 12;
        if ((_ram[RegisterB] & TwentyFourHours) == 0)
        {
            hour = hour % 12 == 0 ? 12 : hour % 12;
        }

        return index switch
        {
            0 => Encode(time.Second),
            2 => Encode(time.Minute),
            4 => (byte)(Encode(hour) | ((_ram[RegisterB] & TwentyFourHours) == 0 && afternoon ? 0x80 : 0)),
            6 => Encode((int)time.DayOfWeek + 1),
            7 => Encode(time.Day),
            8 => Encode(time.Month),
            9 => Encode(time.Year % 100),
            _ => Encode(time.Year / 100),
        };
    }

    private byte Encode(int value) => (_ram[RegisterB] & Binary) != 0 ? (byte)value : (byte)(((value / 10) << 4) | (value % 10));

    private int Decode(byte value) => (_ram[RegisterB] & Binary) != 0 ? value : ((value >> 4) * 10) + (value & 0xF);

    /// <summary>Copies the running time into the registers, which the guest then edits.</summary>
    private void FreezeTime()
    {
        foreach (byte index in TimeRegisters)
        {
            _ram[index] = ReadTime(index);
        }
    }

    /// <summary>Starts from what the registers say; an impossible date keeps the old time.</summary>
    /// <param name="fraction">Of the second, in units of 100 ns.</param>
    private void ThawTime(long fraction)
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
            long time = new DateTime(year, month, day, hour, Decode(_ram[2]), Decode(_ram[0])).Ticks + fraction;
            _offset = time - (_clock.Now / NanosecondsPerTick) - _wall.Origin.Ticks;
        }
    }
}
