using Strata.Core.Bus;
using Strata.Core.Time;
using Strata.Devices.Tests.Harness;
using Strata.Devices.Timers;

namespace Strata.Devices.Tests.Timers;

/// <summary>Intel 8254 data sheet (231164), "Programming the 8254" and "Mode Definitions".</summary>
public sealed class Pit8254Tests
{
    private const int Control = 3;

    private readonly ManualClock _clock = new();
    private readonly RecordingSink _interrupts = new();
    private readonly Pit8254 _pit;
    private long _start;
    private long _ticks;

    public Pit8254Tests() => _pit = new Pit8254(_clock, _interrupts.Line());

    [Fact]
    public void Mode0_TerminalCount_RaisesTheOutputOnce()
    {
        Load(0, mode: 0, 1000);

        Tick(999);
        Assert.Equal(0, _interrupts.RisingEdges);
        Tick(3);
        Assert.Equal(1, _interrupts.RisingEdges);
        Tick(200_000);
        Assert.Equal(1, _interrupts.RisingEdges);
    }

    [Fact]
    public void Mode0_Count_GoesDownByOneATickAndWrapsAround()
    {
        Load(0, mode: 0, 1000);

        Tick(100);
        Assert.Equal(900, ReadCount(0));
        Tick(901);
        Assert.Equal(0xFFFF, ReadCount(0));
    }

    [Fact]
    public void Mode0_NewCount_StartsOver()
    {
        Load(0, mode: 0, 100);
        Tick(200);

        _pit.Out(0, 100);
        _pit.Out(0, 0);

        Tick(99);
        Assert.Equal(1, _interrupts.RisingEdges);
        Tick(3);
        Assert.Equal(2, _interrupts.RisingEdges);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(6)]
    [InlineData(7)]
    public void PeriodicMode_EachPeriod_RaisesTheOutput(int mode)
    {
        Load(0, mode, 1000);
        int before = _interrupts.RisingEdges;

        for (int period = 1; period <= 5; period++)
        {
            Tick(999);
            Assert.Equal(before + period - 1, _interrupts.RisingEdges);
            Tick(1);
            Assert.Equal(before + period, _interrupts.RisingEdges);
        }
    }

    [Fact]
    public void PeriodicMode_ManyPeriods_DoNotDrift()
    {
        Load(0, mode: 2, 11932); // 100 Hz, as closely as the 8254 can
        int before = _interrupts.RisingEdges;

        _clock.Advance(100_000_000_000);

        Assert.Equal(before + (int)(100 * Pit8254.Frequency / 11932), _interrupts.RisingEdges);
    }

    [Fact]
    public void Mode2_Count_RunsFromReloadToOne()
    {
        Load(0, mode: 2, 10);

        List<int> counts = [];
        for (int i = 0; i < 12; i++)
        {
            counts.Add(ReadCount(0));
            Tick(1);
        }

        Assert.Equal([10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 10, 9], counts);
    }

    [Fact]
    public void Mode3_EvenCount_DecrementsByTwoAndHalvesTheWave()
    {
        Load(2, mode: 3, 10);
        _pit.Speaker.Out(0, 1);

        List<int> counts = [];
        List<bool> outputs = [];
        for (int i = 0; i < 10; i++)
        {
            counts.Add(ReadCount(2));
            outputs.Add(SpeakerOutput);
            Tick(1);
        }

        Assert.Equal([10, 8, 6, 4, 2, 10, 8, 6, 4, 2], counts);
        Assert.Equal([true, true, true, true, true, false, false, false, false, false], outputs);
    }

    [Fact]
    public void Mode3_OddCount_IsHighForOneTickLonger()
    {
        Load(2, mode: 3, 5);
        _pit.Speaker.Out(0, 1);

        List<bool> outputs = [];
        for (int i = 0; i < 10; i++)
        {
            outputs.Add(SpeakerOutput);
            Tick(1);
        }

        Assert.Equal([true, true, true, false, false, true, true, true, false, false], outputs);
    }

    [Fact]
    public void Mode4_TerminalCount_StrobesOnce()
    {
        Load(0, mode: 4, 1000);
        int before = _interrupts.RisingEdges;

        Tick(999);
        Assert.Equal(before, _interrupts.RisingEdges);
        Tick(3);
        Assert.Equal(before + 1, _interrupts.RisingEdges);
        Tick(200_000);
        Assert.Equal(before + 1, _interrupts.RisingEdges);
    }

    [Fact]
    public void Mode4_Output_IsLowForOneTick()
    {
        _pit.Speaker.Out(0, 1);
        Load(2, mode: 4, 10);

        Tick(9);
        Assert.True(SpeakerOutput);
        Tick(1);
        Assert.False(SpeakerOutput);
        Tick(1);
        Assert.True(SpeakerOutput);
    }

    [Fact]
    public void Mode1_RisingGate_StartsAndRestartsTheOneShot()
    {
        Load(2, mode: 1, 100);
        Tick(10);
        Assert.True(SpeakerOutput);

        _pit.Speaker.Out(0, 1);
        Assert.False(SpeakerOutput);
        Tick(60);
        _pit.Speaker.Out(0, 0);
        _pit.Speaker.Out(0, 1);
        Tick(60);
        Assert.False(SpeakerOutput);
        Tick(41);
        Assert.True(SpeakerOutput);
    }

    [Fact]
    public void Mode5_RisingGate_StrobesAfterTheCount()
    {
        Load(2, mode: 5, 100);
        Tick(100);
        Assert.True(SpeakerOutput);

        _pit.Speaker.Out(0, 1);
        Tick(99);
        Assert.True(SpeakerOutput);
        Tick(1);
        Assert.False(SpeakerOutput);
        Tick(1);
        Assert.True(SpeakerOutput);
    }

    [Fact]
    public void Mode1_ChannelWithFixedGate_NeverInterrupts()
    {
        Load(0, mode: 1, 100);
        int before = _interrupts.RisingEdges;

        Tick(100_000);

        Assert.Equal(before, _interrupts.RisingEdges);
    }

    [Fact]
    public void Gate_LowInModeZero_HoldsTheCount()
    {
        _pit.Speaker.Out(0, 1);
        Load(2, mode: 0, 1000);
        Tick(300);

        _pit.Speaker.Out(0, 0);
        Tick(5000);
        Assert.Equal(700, ReadCount(2));
        Assert.False(SpeakerOutput);

        _pit.Speaker.Out(0, 1);
        Tick(100);
        Assert.Equal(600, ReadCount(2));
        Tick(602);
        Assert.True(SpeakerOutput);
    }

    [Fact]
    public void Gate_LowWhenLoaded_CountsFromTheRise()
    {
        Load(2, mode: 0, 1000);
        Tick(5000);
        Assert.Equal(1000, ReadCount(2));

        _pit.Speaker.Out(0, 1);
        Tick(400);

        Assert.InRange(ReadCount(2), 600, 601); // the gate rose in the middle of a tick
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void Gate_LowInPeriodicModes_HoldsTheOutputHighAndReloads(int mode)
    {
        _pit.Speaker.Out(0, 1);
        Load(2, mode, 1000);
        Tick(999);
        Assert.False(SpeakerOutput);

        _pit.Speaker.Out(0, 0);
        Assert.True(SpeakerOutput);

        Tick(123);
        _pit.Speaker.Out(0, 1);
        Assert.Equal(1000, ReadCount(2));
    }

    [Fact]
    public void Count_Zero_Means65536()
    {
        Load(0, mode: 0, 0);

        Assert.Equal(0, ReadCount(0));
        Tick(1);
        Assert.Equal(0xFFFF, ReadCount(0));
        Tick(65_534);
        Assert.Equal(0, _interrupts.RisingEdges);
        Tick(3);
        Assert.Equal(1, _interrupts.RisingEdges);
    }

    [Fact]
    public void Latch_Count_StaysUntilRead()
    {
        Load(0, mode: 2, 0x1234);
        _pit.Out(Control, 0x00);
        Tick(100);
        _pit.Out(Control, 0x00);

        int low = _pit.In(0);
        Tick(100);
        int high = _pit.In(0);

        Assert.Equal(0x1234, low | (high << 8));
        Assert.Equal(0x1234 - 200, ReadCount(0));
    }

    [Theory]
    [InlineData(1, 0x34)]
    [InlineData(2, 0x12)]
    public void Access_OneByteOnly_ReadsThatByteEachTime(int access, int expected)
    {
        _pit.Out(Control, (access << 4) | (2 << 1));
        _pit.Out(0, expected);

        Assert.Equal(expected, _pit.In(0));
        Assert.Equal(expected, _pit.In(0));
        _pit.Out(Control, 0);
        Assert.Equal(expected, _pit.In(0));
    }

    [Fact]
    public void ReadBack_StatusAndCount_GivesStatusFirst()
    {
        Load(2, mode: 3, 0x4444);
        _pit.Speaker.Out(0, 1);

        _pit.Out(Control, 0xC0 | 0x08);

        Assert.Equal(0x80 | 0x30 | (3 << 1), _pit.In(2));
        Assert.Equal(0x44, _pit.In(2));
        Assert.Equal(0x44, _pit.In(2));
    }

    [Fact]
    public void ReadBack_CountNotLoaded_ShowsNullCount()
    {
        _pit.Out(Control, 0xB1);

        _pit.Out(Control, 0xE0 | 0x08);
        Assert.Equal(0x40 | 0x30 | 1, _pit.In(2));

        _pit.Out(2, 1);
        _pit.Out(2, 0);
        _pit.Out(Control, 0xE0 | 0x08);
        Assert.Equal(0x30 | 1, _pit.In(2));
    }

    [Fact]
    public void ReadBack_SeveralChannels_LatchTogether()
    {
        Load(0, mode: 2, 1000);
        Load(1, mode: 2, 500);

        _pit.Out(Control, 0xD0 | 0x06);
        Tick(50);

        Assert.Equal(1000, _pit.In(0) | (_pit.In(0) << 8));
        Assert.Equal(500, _pit.In(1) | (_pit.In(1) << 8));
    }

    [Fact]
    public void Bcd_Count_IsDecimal()
    {
        _pit.Out(Control, 0x30 | 1);
        _pit.Out(0, 0x00);
        _pit.Out(0, 0x10); // 1000

        Tick(1);
        Assert.Equal(0x0999, ReadCount(0));
        Tick(998);
        Assert.Equal(0x0001, ReadCount(0));
        Tick(2);
        Assert.Equal(0x9999, ReadCount(0));
    }

    [Fact]
    public void Bcd_Zero_Means10000()
    {
        _pit.Out(Control, 0x30 | 1);
        _pit.Out(0, 0);
        _pit.Out(0, 0);

        Tick(1);
        Assert.Equal(0x9999, ReadCount(0));
        Tick(9_998);
        Assert.Equal(0, _interrupts.RisingEdges);
        Tick(3);
        Assert.Equal(1, _interrupts.RisingEdges);
    }

    [Fact]
    public void ControlWord_WhileRunning_StopsTheOldCount()
    {
        Load(0, mode: 2, 100);
        _pit.Out(Control, 0x30);
        int before = _interrupts.RisingEdges;

        Tick(10_000);

        Assert.Equal(before, _interrupts.RisingEdges);
        Assert.Null(_clock.NextDeadline);
    }

    [Fact]
    public void Control_Port_ReadsNothing() => Assert.Equal(0, _pit.In(Control));

    [Fact]
    public void Speaker_Port_ShowsGateDataAndRefreshToggle()
    {
        _pit.Speaker.Out(0, 3);
        Assert.Equal(3, _pit.Speaker.In(0) & 3);
        _pit.Speaker.Out(0, 0);
        Assert.Equal(0, _pit.Speaker.In(0) & 3);

        int before = _pit.Speaker.In(0) & 0x10;
        _clock.Advance(15_085);
        Assert.NotEqual(before, _pit.Speaker.In(0) & 0x10);
    }

    [Fact]
    public void Ports_RandomAccess_NeverThrows()
    {
        Random random = new(8254);
        for (int i = 0; i < 50_000; i++)
        {
            _pit.WritePort((ushort)random.Next(4), AccessWidth.Byte, (uint)random.Next());
            _pit.In(random.Next(4));
            _pit.Speaker.Out(0, random.Next(4));
            _pit.Speaker.In(0);
            _clock.Advance(random.Next(3_000));
        }

        Load(0, mode: 2, 77);
        Assert.Equal(77, ReadCount(0));
    }

    private bool SpeakerOutput => (_pit.Speaker.In(0) & 0x20) != 0;

    private void Load(int channel, int mode, int count)
    {
        _pit.Out(Control, (channel << 6) | 0x30 | (mode << 1));
        _pit.Out(channel, count & 0xFF);
        _pit.Out(channel, count >> 8);
        _ticks = 0;
        _start = _clock.Now;
    }

    /// <summary>Moves to the middle of a later tick after the last <see cref="Load"/>.</summary>
    private void Tick(long count)
    {
        _ticks += count;
        long target = _start + (long)(((Int128)((2 * _ticks) + 1) * 500_000_000) / Pit8254.Frequency);
        _clock.Advance(target - _clock.Now);
    }

    private int ReadCount(int channel)
    {
        _pit.Out(Control, channel << 6);
        return _pit.In(channel) | (_pit.In(channel) << 8);
    }
}
