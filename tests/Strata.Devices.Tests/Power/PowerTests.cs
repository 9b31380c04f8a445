using Strata.Core.Bus;
using Strata.Core.State;
using Strata.Core.Time;
using Strata.Devices.Power;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Power;

/// <summary>ACPI specification 6.4, "Fixed Hardware Registers".</summary>
public sealed class PowerTests
{
    private const int Status = 0;
    private const int Enable = 2;
    private const int Control = 4;
    private const int Timer = 8;
    private const uint SleepEnable = 1 << 13;
    private const uint TypeS5 = AcpiPower.SleepTypeS5 << 10;
    private const uint TypeS4 = AcpiPower.SleepTypeS4 << 10;
    private const uint TypeS3 = AcpiPower.SleepTypeS3 << 10;
    private const uint PowerButton = 1 << 8;
    private const uint RealTimeClock = 1 << 10;
    private const uint Woken = 1 << 15;

    private readonly ManualClock _clock = new();
    private readonly RecordingControl _control = new();
    private readonly Strata.Core.Interrupts.InterruptLine _sci = new RecordingSink().Line(9);
    private readonly AcpiPower _acpi;

    public PowerTests() => _acpi = new AcpiPower(_control, _clock, _sci);

    [Theory]
    [InlineData(true, 1)]
    [InlineData(false, 0)]
    public void SleepTypeZero_IsOffForFirmwareOfAPiix4Only(bool isPiix4, int requests)
    {
        RecordingControl control = new();
        AcpiPower power = new(control, new ManualClock(), new RecordingSink().Line(9)) { IsPiix4 = isPiix4 };

        power.WritePort(4, AccessWidth.Word, 0x2001);

        Assert.Equal(Enumerable.Repeat("off", requests), control.Requests);
    }

    [Fact]
    public void Control_SleepTypeFiveAndEnable_SwitchesOff()
    {
        Write(Control, SleepEnable | TypeS5);

        Assert.Equal(["off"], _control.Requests);
        Assert.Equal(0U, Read(Control) & SleepEnable);
    }

    [Fact]
    public void Control_BytesOneByOne_SwitchOffToo()
    {
        _acpi.Out(Control, 0x01);
        _acpi.Out(Control + 1, (int)((SleepEnable | TypeS5) >> 8));

        Assert.Equal(["off"], _control.Requests);
    }

    [Theory]
    [InlineData(TypeS5)]
    [InlineData(SleepEnable)]
    [InlineData(SleepEnable | (1 << 10))]
    [InlineData(SleepEnable | (7 << 10))]
    public void Control_OtherValues_DoNotSwitchOff(uint value)
    {
        Write(Control, value);

        Assert.Empty(_control.Requests);
    }

    [Fact]
    public void Control_SleepTypeOfS3_Sleeps()
    {
        AcpiPower power = CreateSleeping();

        Assert.True(power.IsAsleep);
        Assert.Equal(0, power.WakeCause);
        Assert.Equal(["sleep"], _control.Requests);
    }

    [Theory]
    [InlineData(TypeS3)]
    [InlineData(TypeS4)]
    public void Control_SleepWithoutFirmware_IsIgnored(uint type)
    {
        Write(Control, SleepEnable | type);

        Assert.Empty(_control.Requests);
        Assert.False(_acpi.IsAsleep);
    }

    [Fact]
    public void Control_SleepTypeOfS4_SwitchesOff()
    {
        AcpiPower power = new(_control, _clock, _sci) { CanSleep = true };

        power.WritePort(Control, AccessWidth.Word, SleepEnable | TypeS4);

        Assert.Equal(["off"], _control.Requests);
        Assert.False(power.IsAsleep);
    }

    [Fact]
    public void PowerButton_Asleep_WakesAndIsFoundAfterTheReset()
    {
        AcpiPower power = CreateSleeping();

        power.PressPowerButton();
        ResetAndReport(power);

        Assert.Equal(["sleep", "wake"], _control.Requests);
        Assert.Equal(Woken | PowerButton, power.ReadPort(Status, AccessWidth.Word));
        Assert.False(power.IsAsleep);
        Assert.Equal(0, power.WakeCause);
    }

    [Theory]
    [InlineData(RealTimeClock, true)]
    [InlineData(0U, false)]
    public void Alarm_Asleep_WakesWhoHasAskedForIt(uint enabled, bool wakes)
    {
        AcpiPower power = CreateSleeping(enabled);

        power.SignalAlarm();

        Assert.Equal(wakes, power.WakeCause != 0);
        Assert.Equal(wakes ? ["sleep", "wake"] : ["sleep"], _control.Requests);
    }

    [Fact]
    public void TryWake_AsleepAndAwake_WakesWithoutACause()
    {
        AcpiPower power = CreateSleeping();

        Assert.True(power.TryWake());
        ResetAndReport(power);

        Assert.Equal(Woken, power.ReadPort(Status, AccessWidth.Word));
        Assert.False(power.TryWake());
        Assert.Equal(["sleep", "wake"], _control.Requests);
    }

    [Fact]
    public void Reset_AsleepAndNothingWakes_ForgetsTheSleep()
    {
        AcpiPower power = CreateSleeping();

        power.Reset();

        Assert.Equal(0U, power.ReadPort(Status, AccessWidth.Word));
        Assert.False(power.IsAsleep);
    }

    [Fact]
    public void Resume_SavedWhileItWasWoken_GoesOnWaking()
    {
        AcpiPower saved = CreateSleeping();
        saved.PressPowerButton();
        RecordingControl control = new();
        AcpiPower loaded = new(control, _clock, _sci) { CanSleep = true };

        loaded.LoadState(saved.SaveState());
        loaded.Resume();

        Assert.Equal(["wake"], control.Requests);
    }

    [Fact]
    public void LoadState_AsleepWithoutFirmware_IsRefused() =>
        Assert.Throws<StateException>(() => _acpi.LoadState(CreateSleeping().SaveState()));

    [Fact]
    public void Load_RecordOfTheFirstVersion_IsAwake()
    {
        StateWriter fields = new();
        fields.Write((ushort)PowerButton);
        fields.Write((ushort)RealTimeClock);
        fields.Write<ushort>(1);
        StateWriter writer = new();
        writer.Write<ushort>(1);
        writer.WriteBytes(fields.ToArray());

        ((IUnit)_acpi).Load(new StateReader(writer.ToArray(), _acpi.UnitName));

        Assert.Equal(PowerButton, Read(Status));
        Assert.Equal(RealTimeClock, Read(Enable));
        Assert.False(_acpi.IsAsleep);
    }

    [Fact]
    public void Control_SciEnable_IsAlwaysSet()
    {
        Write(Control, 0);

        Assert.Equal(1U, Read(Control));
    }

    [Fact]
    public void PowerButton_Enabled_RaisesSciUntilCleared()
    {
        Write(Enable, PowerButton);

        _acpi.PressPowerButton();
        Assert.True(_sci.IsHigh);
        Assert.Equal(PowerButton, Read(Status));

        Write(Status, 0xFFFF & ~PowerButton);
        Assert.True(_sci.IsHigh);
        Write(Status, PowerButton);
        Assert.False(_sci.IsHigh);
        Assert.Equal(0U, Read(Status));
    }

    [Fact]
    public void IsPowerButtonEnabled_GuestListens_SaysSo()
    {
        Assert.False(_acpi.IsPowerButtonEnabled);

        Write(Enable, PowerButton);
        Assert.True(_acpi.IsPowerButtonEnabled);

        Write(Enable, 0);
        Assert.False(_acpi.IsPowerButtonEnabled);
    }

    [Fact]
    public void PowerButton_EnabledLater_RaisesSciThen()
    {
        _acpi.PressPowerButton();
        Assert.False(_sci.IsHigh);

        Write(Enable, PowerButton);
        Assert.True(_sci.IsHigh);

        Write(Enable, 0);
        Assert.False(_sci.IsHigh);
        Assert.Equal(PowerButton, Read(Status));
    }

    [Fact]
    public void Enable_ReservedBits_ReadZero()
    {
        Write(Enable, 0xFFFF);

        Assert.Equal(0x0721U, Read(Enable));
    }

    [Fact]
    public void StatusAndEnable_OneDword_AreBothSeen()
    {
        _acpi.PressPowerButton();
        _acpi.WritePort(Status, AccessWidth.Dword, PowerButton << 16);

        Assert.Equal(PowerButton | (PowerButton << 16), _acpi.ReadPort(Status, AccessWidth.Dword));
    }

    [Theory]
    [InlineData(0L, 0U)]
    [InlineData(1_000_000_000L, 3_579_545U)]
    [InlineData(1_000_000L, 3_579U)]
    [InlineData(3_600_000_000_000L, (uint)(3_579_545UL * 3600 % (1UL << 32)))]
    public void Timer_Time_CountsAtItsFrequencyIn32Bits(long nanoseconds, uint expected)
    {
        _clock.Advance(nanoseconds);

        Assert.Equal(expected, _acpi.ReadPort(Timer, AccessWidth.Dword));
    }

    [Fact]
    public void Timer_Write_IsIgnored()
    {
        _clock.Advance(1_000_000_000);
        _acpi.WritePort(Timer, AccessWidth.Dword, 0);

        Assert.Equal(3_579_545U, _acpi.ReadPort(Timer, AccessWidth.Dword));
    }

    [Fact]
    public void Ports_EveryOffsetAndWidth_NeverThrows()
    {
        for (ushort offset = 0; offset < AcpiPower.PortCount; offset++)
        {
            foreach (AccessWidth width in (AccessWidth[])[AccessWidth.Byte, AccessWidth.Word, AccessWidth.Dword])
            {
                _acpi.WritePort(offset, width, uint.MaxValue);
                _acpi.ReadPort(offset, width);
            }
        }

        Assert.DoesNotContain("off", _control.Requests);
    }

    [Fact]
    public void ResetControl_RisingBitTwo_ResetsOnce()
    {
        ResetControl reset = new(_control);

        reset.Out(0, 0x02);
        Assert.Empty(_control.Requests);
        reset.Out(0, 0x06);
        reset.Out(0, 0x06);
        Assert.Equal(["reset"], _control.Requests);

        reset.Out(0, 0x00);
        reset.Out(0, 0x04);
        Assert.Equal(2, _control.Requests.Count);
    }

    [Fact]
    public void ResetControl_ReservedBits_ReadZero()
    {
        ResetControl reset = new(_control);

        reset.Out(0, 0xFB);

        Assert.Equal(0x0A, reset.In(0));
        Assert.Empty(_control.Requests);
    }

    [Theory]
    [InlineData(0U, "exit 1")]
    [InlineData(1U, "exit 3")]
    [InlineData(0x10U, "exit 33")]
    [InlineData(uint.MaxValue, "exit -1")]
    public void DebugExit_Value_BecomesAnOddCode(uint value, string expected)
    {
        new DebugExit(_control).WritePort(0, AccessWidth.Dword, value);

        Assert.Equal([expected], _control.Requests);
    }

    private uint Read(ushort offset) => _acpi.ReadPort(offset, AccessWidth.Word) & 0xFFFF;

    private static void ResetAndReport(AcpiPower power)
    {
        ushort cause = power.WakeCause;
        power.Reset();
        power.ReportWake(cause);
    }

    /// <param name="enabled">PM1_EN.</param>
    private AcpiPower CreateSleeping(uint enabled = 0)
    {
        AcpiPower power = new(_control, _clock, _sci) { CanSleep = true };
        power.WritePort(Enable, AccessWidth.Word, enabled);
        power.WritePort(Control, AccessWidth.Word, SleepEnable | TypeS3);
        return power;
    }

    private void Write(ushort offset, uint value) => _acpi.WritePort(offset, AccessWidth.Word, value);
}
