using Strata.Core.Bus;
using Strata.Core.Time;
using Strata.Devices.Power;
using Strata.Devices.Tests.Harness;
using Strata.Devices.Timers;

namespace Strata.Devices.Tests.Timers;

/// <summary>Motorola MC146818A data sheet, "Registers" and "Interrupts".</summary>
public sealed class RtcMc146818Tests
{
    private const long Second = 1_000_000_000;
    private const int A = 10;
    private const int B = 11;
    private const int C = 12;
    private const int Century = 0x32;

    private readonly ManualClock _clock = new();
    private readonly RecordingSink _interrupts = new();
    private readonly WallClock _wall;
    private readonly RtcMc146818 _rtc;

    public RtcMc146818Tests()
    {
        _wall = new WallClock(_clock, new DateTime(2023, 12, 31, 23, 59, 58, DateTimeKind.Utc));
        _rtc = new RtcMc146818(_clock, _wall, _interrupts.Line(8));
    }

    [Fact]
    public void Time_BcdTwentyFourHours_IsTheDefault()
    {
        Assert.Equal([0x58, 0x59, 0x23, 1, 0x31, 0x12, 0x23, 0x20], Time());
    }

    [Fact]
    public void Time_Binary_ReadsPlainNumbers()
    {
        Write(B, 0x06);

        Assert.Equal([58, 59, 23, 1, 31, 12, 23, 20], Time());
    }

    [Fact]
    public void Time_TwoSecondsLater_CarriesIntoTheYear()
    {
        _clock.Advance(2 * Second);

        Assert.Equal([0x00, 0x00, 0x00, 2, 0x01, 0x01, 0x24, 0x20], Time());
    }

    [Theory]
    [InlineData(0, 0x12)]
    [InlineData(1, 0x01)]
    [InlineData(11, 0x11)]
    [InlineData(12, 0x92)]
    [InlineData(13, 0x81)]
    [InlineData(23, 0x91)]
    public void Hours_TwelveHourMode_HaveTwelveAndAnAfternoonBit(int hour, int expected)
    {
        Write(B, 0x82);
        Write(4, ((hour / 10) << 4) | (hour % 10));
        Write(B, 0x02);

        Write(B, 0x00);

        Assert.Equal(expected, Read(4));
    }

    [Theory]
    [InlineData(0x12, 0x00)]
    [InlineData(0x01, 0x01)]
    [InlineData(0x92, 0x12)]
    [InlineData(0x81, 0x13)]
    [InlineData(0x91, 0x23)]
    public void Hours_WrittenInTwelveHourMode_ReadAsTwentyFour(int written, int expected)
    {
        Write(B, 0x80);
        Write(4, written);
        Write(B, 0x00);

        Write(B, 0x02);

        Assert.Equal(expected, Read(4));
    }

    [Fact]
    public void Set_TimeWritten_RunsFromThere()
    {
        SetTime(0x30, 0x45, 0x06, 0x29, 0x02, 0x24, 0x20);

        _clock.Advance(86_400 * Second);

        Assert.Equal([0x30, 0x45, 0x06, 6, 0x01, 0x03, 0x24, 0x20], Time());
    }

    [Fact]
    public void Set_Held_FreezesTheRegisters()
    {
        Write(B, 0x82);
        _clock.Advance(5 * Second);
        Assert.Equal(0x58, Read(0));

        Write(B, 0x02);
        _clock.Advance(Second);
        Assert.Equal(0x59, Read(0));
    }

    [Theory]
    [InlineData(0x60, 0x00, 0x00, 0x01, 0x01)]
    [InlineData(0x00, 0x00, 0x24, 0x01, 0x01)]
    [InlineData(0x00, 0x00, 0x00, 0x30, 0x02)]
    [InlineData(0x00, 0x00, 0x00, 0x00, 0x01)]
    [InlineData(0x00, 0x00, 0x00, 0x01, 0x13)]
    [InlineData(0xFF, 0xFF, 0xFF, 0xFF, 0xFF)]
    public void Set_ImpossibleDate_KeepsTheOldTime(int second, int minute, int hour, int day, int month)
    {
        SetTime(second, minute, hour, day, month, 0x24, 0x20);

        Assert.Equal(0x58, Read(0));
        Assert.Equal(0x23, Read(9));
    }

    [Fact]
    public void Set_LastSecondOfTheCalendar_StandsStillThere()
    {
        SetTime(0x59, 0x59, 0x23, 0x31, 0x12, 0x99, 0x99);

        _clock.Advance(10 * Second);

        Assert.Equal([0x59, 0x59, 0x23, 6, 0x31, 0x12, 0x99, 0x99], Time());
    }

    [Fact]
    public void UpdateInProgress_LastMicroseconds_IsSet()
    {
        _clock.Advance(Second - 244_001);
        Assert.Equal(0x26, Read(A));

        _clock.Advance(100_000);
        Assert.Equal(0xA6, Read(A));

        _clock.Advance(144_001);
        Assert.Equal(0x26, Read(A));
    }

    [Fact]
    public void UpdateInterrupt_Enabled_ComesEverySecondAndIsAcknowledgedByC()
    {
        Write(B, 0x12);
        _clock.Advance(Second - 1);
        Assert.Empty(_interrupts.Levels);

        _clock.Advance(1);
        Assert.Equal([(8, true)], _interrupts.Levels);
        Assert.Equal(0x90, Read(C) & 0x90);
        Assert.Equal([(8, true), (8, false)], _interrupts.Levels);
        Assert.Equal(0, Read(C));

        _clock.Advance(Second);
        Assert.Equal(2, _interrupts.RisingEdges);
    }

    [Fact]
    public void UpdateInterrupt_NotAcknowledged_LineStaysHigh()
    {
        Write(B, 0x12);

        _clock.Advance(5 * Second);

        Assert.Equal([(8, true)], _interrupts.Levels);
    }

    [Fact]
    public void Set_Written_ClearsUpdateEnable()
    {
        Write(B, 0x92);

        Assert.Equal(0x82, Read(B));
    }

    [Fact]
    public void Set_Held_InhibitsUpdatesAndAlarms()
    {
        Write(1, 0xFF);
        Write(3, 0xFF);
        Write(5, 0xFF);
        Write(B, 0xA2);

        _clock.Advance(3 * Second);

        Assert.Empty(_interrupts.Levels);
        Assert.Equal(0, Read(C) & 0x30);
    }

    [Fact]
    public void UpdateFlag_InterruptsOff_CanBePolled()
    {
        Assert.Equal(0, Read(C) & 0x90);
        _clock.Advance(Second);

        Assert.Equal(0x10, Read(C) & 0x90);
        Assert.Equal(0, Read(C) & 0x10);
        Assert.Empty(_interrupts.Levels);
        Assert.Null(_clock.NextDeadline);
    }

    [Fact]
    public void PeriodicFlag_InterruptsOff_CanBePolled()
    {
        Write(A, 0x2F); // 2 Hz
        Read(C);
        Assert.Equal(0, Read(C) & 0x40);

        _clock.Advance(Second / 2);

        Assert.Equal(0x40, Read(C) & 0xC0);
    }

    [Fact]
    public void Alarm_ExactTime_FiresOnce()
    {
        Write(1, 0x01);
        Write(3, 0x00);
        Write(5, 0x00);
        Write(B, 0x22);

        _clock.Advance((3 * Second) - 1);
        Assert.Empty(_interrupts.Levels);
        _clock.Advance(1);

        Assert.Equal(1, _interrupts.RisingEdges);
        Assert.Equal(0xA0, Read(C) & 0xA0);
        _clock.Advance(3600 * Second);
        Assert.Equal(1, _interrupts.RisingEdges);
    }

    /// <summary>ACPI specification 6.4, "RTC/CMOS Alarm".</summary>
    [Fact]
    public void Alarm_PowerManagementEnabled_RaisesTheSystemControlInterrupt()
    {
        AcpiPower power = new(new RecordingControl(), _clock, _interrupts.Line(9));
        _rtc.AlarmRang = power.SignalAlarm;
        power.WritePort(2, AccessWidth.Word, 0x400);
        Write(1, 0x00);
        Write(3, 0x00);
        Write(5, 0x00);
        Write(B, 0x22);

        _clock.Advance((2 * Second) - 1);
        Assert.Equal(0u, power.ReadPort(0, AccessWidth.Word) & 0x400);
        _clock.Advance(1);

        Assert.Equal(0x400u, power.ReadPort(0, AccessWidth.Word) & 0x400);
        Assert.Equal([(9, true), (8, true)], _interrupts.Levels);
        power.WritePort(0, AccessWidth.Word, 0x400);
        Assert.Equal((9, false), _interrupts.Levels[^1]);
    }

    [Fact]
    public void Alarm_InterruptOff_LeavesPowerManagementAlone()
    {
        int rung = 0;
        _rtc.AlarmRang = () => rung++;
        Write(1, 0xFF);
        Write(3, 0xFF);
        Write(5, 0xFF);
        Write(B, 0x12);

        _clock.Advance(3 * Second);

        Assert.Equal(0, rung);
    }

    /// <summary>A machine that was stored over the time of its alarm, and whose wall time is then set right.</summary>
    [Theory]
    [InlineData(3, 0)]
    [InlineData(100, 1)]
    [InlineData(1_000_000, 1)]
    public void Alarm_WallTimeStepsOverIt_RingsOnce(int seconds, int expected)
    {
        int rung = 0;
        _rtc.AlarmRang = () => rung++;
        Write(1, 0x30);
        Write(3, 0x00);
        Write(5, 0x00);
        Write(B, 0x22);

        _wall.Step(TimeSpan.FromSeconds(seconds));

        Assert.Equal(expected, rung);
    }

    /// <summary>Registers, update flag, update interrupt, alarm and periodic interrupt: one second, the wall time's.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(0.26)]
    [InlineData(0.9375)]
    public void Second_WallTimeWithAFraction_IsTheSameEverywhere(double fraction)
    {
        _wall.Step(TimeSpan.FromSeconds(fraction));
        Write(A, 0x2F); // 2 Hz
        Write(1, 0xFF);
        Write(3, 0xFF);
        Write(5, 0xFF);
        Write(B, 0x72);
        long boundary = Second - (long)(fraction * Second);
        int before = Read(0);
        Read(C);

        _clock.Advance(boundary - 1_000);
        Assert.Equal((before, 0x80), (Read(0), Read(A) & 0x80));
        Read(C);
        _clock.Advance(1_000);

        Assert.NotEqual(before, Read(0));
        Assert.Equal(0, Read(A) & 0x80);
        Assert.Equal(0xF0, Read(C));
    }

    /// <summary>"... the first update cycle is one-half second later."</summary>
    [Fact]
    public void Divider_ReleasedFromReset_UpdatesHalfASecondLater()
    {
        _clock.Advance(Second / 10);
        Write(A, 0x76);
        SetTime(0x30, 0x45, 0x06, 0x29, 0x02, 0x24, 0x20);
        _clock.Advance(10 * Second);
        Assert.Equal(0x30, Read(0));

        Write(A, 0x26);

        _clock.Advance((Second / 2) - 1);
        Assert.Equal(0x30, Read(0));
        _clock.Advance(1);
        Assert.Equal(0x31, Read(0));
    }

    [Fact]
    public void Set_TimeWritten_KeepsThePhaseOfTheSecond()
    {
        _clock.Advance(Second * 3 / 10);
        SetTime(0x30, 0x45, 0x06, 0x29, 0x02, 0x24, 0x20);

        _clock.Advance((Second * 7 / 10) - 1);
        Assert.Equal(0x30, Read(0));
        _clock.Advance(1);
        Assert.Equal(0x31, Read(0));
    }

    [Theory]
    [InlineData(0xC0, 0xC0, 0xC0, 3600)]
    [InlineData(0x00, 0xFF, 0xFF, 60)]
    [InlineData(0x00, 0x00, 0xC5, 1)]
    public void Alarm_DontCareCodes_MatchAnyValue(int second, int minute, int hour, int expected)
    {
        Write(1, second);
        Write(3, minute);
        Write(5, hour);
        Write(B, 0x22);

        int alarms = 0;
        for (int i = 0; i < 3600; i++)
        {
            _clock.Advance(Second);
            alarms += (Read(C) & 0x20) >> 5;
        }

        Assert.Equal(expected, alarms);
    }

    [Theory]
    [InlineData(1, 256)] // rates 1 and 2 repeat 8 and 9 with a 32.768 kHz time base
    [InlineData(2, 128)]
    [InlineData(3, 8192)]
    [InlineData(6, 1024)]
    [InlineData(15, 2)]
    [InlineData(0, 0)]
    public void PeriodicInterrupt_Rate_FollowsTheTable(int rate, int hertz)
    {
        Write(A, 0x20 | rate);
        Write(B, 0x42);

        int interrupts = 0;
        while (_clock.NextDeadline is { } next && next <= Second)
        {
            _clock.Advance(next - _clock.Now);
            interrupts += Read(C) == 0 ? 0 : 1;
        }

        Assert.Equal(hertz, interrupts);
    }

    [Fact]
    public void PeriodicInterrupt_Disabled_Stops()
    {
        Write(B, 0x42);
        _clock.Advance(Second / 100);
        Read(C);
        Write(B, 0x02);

        Assert.Null(_clock.NextDeadline);
    }

    [Fact]
    public void RegisterC_Write_IsIgnoredAndDAlwaysSaysValid()
    {
        Write(C, 0xFF);
        Write(13, 0);

        Assert.Equal(0, Read(C));
        Assert.Equal(0x80, Read(13));
    }

    [Fact]
    public void Ram_Bytes_KeepWhatIsWritten()
    {
        for (int i = 14; i < 128; i++)
        {
            if (i != Century)
            {
                Write(i, i ^ 0x5A);
                Assert.Equal(i ^ 0x5A, Read(i));
            }
        }

        _rtc.SetByte(0x10, 0x40);
        Assert.Equal(0x40, Read(0x10));
    }

    [Fact]
    public void Index_NmiBit_DoesNotSelect()
    {
        Write(0x20, 0x77);

        Assert.Equal(0x77, Read(0x20 | 0x80));
    }

    [Fact]
    public void Ports_RandomAccess_NeverThrows()
    {
        Random random = new(146818);
        for (int i = 0; i < 100_000; i++)
        {
            Write(random.Next(256), random.Next(256));
            Read(random.Next(52));
            if (i % 50 == 0)
            {
                Write(A, 0x2F);
                _clock.Advance(random.NextInt64(10 * Second));
            }
        }

        Write(B, 0x02);
        SetTime(0x30, 0x45, 0x06, 0x29, 0x02, 0x24, 0x20);
        Assert.Equal(0x45, Read(2));
    }

    private int Read(int index)
    {
        _rtc.Out(0, index);
        return _rtc.In(1);
    }

    private void Write(int index, int value)
    {
        _rtc.Out(0, index);
        _rtc.Out(1, value);
    }

    private int[] Time() => [Read(0), Read(2), Read(4), Read(6), Read(7), Read(8), Read(9), Read(Century)];

    private void SetTime(int second, int minute, int hour, int day, int month, int year, int century)
    {
        Write(B, 0x82);
        Write(0, second);
        Write(2, minute);
        Write(4, hour);
        Write(7, day);
        Write(8, month);
        Write(9, year);
        Write(Century, century);
        Write(B, 0x02);
    }
}
