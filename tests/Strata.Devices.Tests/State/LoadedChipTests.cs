using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.State;
using Strata.Core.Time;
using Strata.Devices.Input;
using Strata.Devices.Interrupts;
using Strata.Devices.Power;
using Strata.Devices.Serial;
using Strata.Devices.Tests.Harness;
using Strata.Devices.Timers;

namespace Strata.Devices.Tests.State;

/// <summary>Chips that were saved in one machine and loaded into a fresh one go on as if nothing had happened.</summary>
public sealed class LoadedChipTests
{
    private const long Second = 1_000_000_000;
    private static readonly DateTime Start = new(2026, 11, 30, 12, 0, 0, DateTimeKind.Utc);

    [Fact]
    public void Pit8254_SavedMidCount_TicksAtTheSameVirtualTime()
    {
        Machine old = new();
        old.Pit.Out(3, 0x34);
        old.Pit.Out(0, 0x00);
        old.Pit.Out(0, 0x80);
        long next = old.Clock.NextDeadline!.Value;
        old.Clock.Advance(next / 3);

        Machine machine = old.Copy();

        Assert.Equal(next, machine.Clock.NextDeadline);
        Assert.Equal(old.Pit.In(0), machine.Pit.In(0));
        machine.Clock.Advance(next - machine.Clock.Now - 1);
        Assert.Empty(machine.Edges(0));
        machine.Clock.Advance(1);
        Assert.Equal([false, true], machine.Edges(0));
    }

    [Fact]
    public void Pit8254_SavedBetweenDeadlineAndCallback_StillTicks()
    {
        Machine old = new();
        old.Pit.Out(3, 0x34);
        old.Pit.Out(0, 0x00);
        old.Pit.Out(0, 0x80);
        Pit8254State late = old.Pit.SaveState();

        Machine machine = new();
        machine.Clock.LoadState(new ClockState { Now = late.NextRise + 5 });
        machine.Pit.LoadState(late);
        machine.Pit.Resume();
        machine.Clock.Advance(0);

        Assert.Equal([false, true], machine.Edges(0));
        Assert.InRange(machine.Clock.NextDeadline!.Value, late.NextRise + 6, late.NextRise + 30_000_000);
    }

    [Fact]
    public void Rtc_AlarmPending_RingsAtItsSecond()
    {
        Machine old = new();
        old.Clock.Advance(Second / 4);
        old.WriteRtc(1, 0x02);
        old.WriteRtc(3, 0x00);
        old.WriteRtc(5, 0x12);
        old.WriteRtc(11, 0x22);
        old.Clock.Advance(Second);

        Machine machine = old.Copy();

        machine.Clock.Advance((Second * 3 / 4) - 1);
        Assert.Empty(machine.Edges(8));
        machine.Clock.Advance(1);
        Assert.Equal([true], machine.Edges(8));
        Assert.Equal(0xA0, machine.ReadRtc(12) & 0xA0);
    }

    [Fact]
    public void Rtc_TimeSetByTheGuest_StaysAheadOfTheWall()
    {
        Machine old = new();
        old.WriteRtc(11, 0x82);
        old.WriteRtc(4, 0x15);
        old.WriteRtc(11, 0x02);

        Machine machine = old.Copy();
        machine.Wall.Step(TimeSpan.FromHours(2));

        Assert.Equal(0x17, machine.ReadRtc(4));
    }

    [Fact]
    public void Lines_HighWhenSaved_AreNoNewEdges()
    {
        Machine old = new();
        old.Power.WritePort(2, AccessWidth.Word, 0x100);
        old.Power.PressPowerButton();
        old.Keyboard.Out(0, 0xEE);
        old.Uart.Out(1, 1);
        old.Uart.Out(4, 8);
        old.Uart.Receive([65]);

        Machine machine = old.Copy();

        Assert.Empty(machine.Sink.Levels);
        machine.Power.WritePort(0, AccessWidth.Word, 0x100);
        Assert.Equal(0xEE, machine.Keyboard.In(0));
        Assert.Equal(65, machine.Uart.In(0));
        Assert.Equal([(9, false), (1, false), (4, false)], machine.Sink.Levels);
    }

    [Fact]
    public void Pic8259_LevelInterruptPending_SurvivesWithoutTheLine()
    {
        Pic8259 old = new(_ => { });
        Initialise(old);
        old.EdgeLevel.Out(0, 0x20);
        new InterruptLine(old, 5).Set(true);
        Pic8259 pic = new(_ => { });

        pic.LoadState(old.SaveState());

        Assert.True(pic.IsInterruptPending);
        Assert.Equal(0x25, pic.Acknowledge());
        pic.Master.Out(0, 0x20);
        Assert.True(pic.IsInterruptPending);
        pic.SetPin(5, false);
        Assert.False(pic.IsInterruptPending);
    }

    [Fact]
    public void IoApic_LevelInterruptInService_IsSentAgainAfterItsEndOnly()
    {
        RecordingSink bus = new();
        IoApic old = new(new RecordingSink());
        old.WriteMmio(0, AccessWidth.Dword, 0x10 + (2 * 9));
        old.WriteMmio(0x10, AccessWidth.Dword, 0x8051);
        old.SetPin(9, true);
        IoApic apic = new(bus);

        apic.LoadState(old.SaveState());
        Assert.Empty(bus.Messages);

        apic.EndOfInterrupt(0x51);
        Assert.Single(bus.Messages);
    }

    [Fact]
    public void Uart16550_HostBacklog_IsDeliveredInOrder()
    {
        Machine old = new();
        old.Uart.Out(2, 1);
        old.Uart.Receive([.. Enumerable.Range(0, 100).Select(i => (byte)i)]);
        Assert.Equal(0, old.Uart.In(0));

        Machine machine = old.Copy();

        for (int i = 1; i < 100; i++)
        {
            Assert.Equal(i, machine.Uart.In(0));
            machine.Clock.Advance(Uart16550.LineDelay);
        }

        Assert.Equal(0, machine.Uart.In(5) & 1);
    }

    [Fact]
    public void Reset_EverythingOn_LeavesNoLineHighAndNoTimerArmed()
    {
        Machine machine = new();
        machine.Pit.Out(3, 0x34);
        machine.Pit.Out(0, 0x00);
        machine.Pit.Out(0, 0x80);
        machine.WriteRtc(11, 0x72);
        machine.Clock.Advance(2 * Second);
        machine.Power.WritePort(2, AccessWidth.Word, 0x100);
        machine.Power.PressPowerButton();
        machine.Keyboard.Out(0, 0xEE);

        machine.Roster.Reset();
        machine.Roster.Resume();

        Assert.Null(machine.Clock.NextDeadline);
        Assert.All(machine.Sink.Levels.GroupBy(level => level.Pin), pin => Assert.False(pin.Last().High));
        Assert.Equal(2, machine.ReadRtc(0)); // the time goes on
    }

    private static void Initialise(Pic8259 pic)
    {
        pic.Master.Out(0, 0x11);
        pic.Master.Out(1, 0x20);
        pic.Master.Out(1, 4);
        pic.Master.Out(1, 1);
    }

    /// <summary>Chips with lines that reach a controller which only remembers.</summary>
    private sealed class Machine : ISerialBackend
    {
        public Machine()
        {
            Wall = new WallClock(Clock, Start);
            Pit = new Pit8254(Clock, Sink.Line());
            Rtc = new RtcMc146818(Clock, Wall, Sink.Line(8));
            Uart = new Uart16550(this, Sink.Line(4), Clock);
            Keyboard = new Ps2Controller8042(new RecordingControl(), Sink.Line(1));
            Power = new AcpiPower(new RecordingControl(), Clock, Sink.Line(9));
            Array.ForEach<IUnit>([Clock, Wall, Pit, Rtc, Uart, Keyboard, Power], Roster.Add);
        }

        public ManualClock Clock { get; } = new();

        public RecordingSink Sink { get; } = new();

        public UnitRoster Roster { get; } = new();

        public WallClock Wall { get; }

        public Pit8254 Pit { get; }

        public RtcMc146818 Rtc { get; }

        public Uart16550 Uart { get; }

        public Ps2Controller8042 Keyboard { get; }

        public AcpiPower Power { get; }

        public Machine Copy()
        {
            Machine copy = new();
            copy.Roster.Load(Roster.Save().ToList());
            copy.Roster.Resume();
            return copy;
        }

        public bool[] Edges(int pin) => [.. Sink.Levels.Where(level => level.Pin == pin).Select(level => level.High)];

        public int ReadRtc(int index)
        {
            Rtc.Out(0, index);
            return Rtc.In(1);
        }

        public void WriteRtc(int index, int value)
        {
            Rtc.Out(0, index);
            Rtc.Out(1, value);
        }

        public void Write(ReadOnlySpan<byte> bytes)
        {
        }
    }
}
