using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Core.Time;
using Strata.Devices.Tests.Harness;
using Strata.Devices.Timers;

namespace Strata.Devices.Tests.Timers;

/// <summary>IA-PC HPET Specification 1.0a.</summary>
public sealed class HpetTests
{
    private const int Capabilities = 0x000;
    private const int Config = 0x010;
    private const int Status = 0x020;
    private const int Counter = 0x0F0;
    private const int Enable = 1;
    private const int Legacy = 2;
    private const int Level = 1 << 1;
    private const int InterruptEnable = 1 << 2;
    private const int Periodic = 1 << 3;
    private const int ValueSet = 1 << 6;
    private const int Mode32 = 1 << 8;
    private const int Tick = 10; // ns
    private const int IntervalTimerPin = 2;
    private const int RealTimeClockPin = 8;

    private readonly Computer _computer = new();

    private Hpet Hpet => _computer.Hpet;

    [Fact]
    public void Capabilities_Read_AreThreeWideTimersOf100Megahertz()
    {
        ulong value = Read(Capabilities);

        Assert.Equal(10_000_000u, value >> 32); // femtoseconds
        Assert.Equal(2u, (value >> 8) & 0x1F);
        Assert.Equal(0xA000u, value & 0xE000);
        Assert.Equal(0x8086u, (value >> 16) & 0xFFFF);
        Assert.Equal(Hpet.BlockId, (uint)value);
    }

    [Fact]
    public void Counter_EnabledAndHalted_CountsOnlyMeanwhile()
    {
        _computer.Clock.Advance(1000);
        Write(Counter, 0xFFFF_FFFF);
        Write(Config, Enable);
        _computer.Clock.Advance(25 * Tick);
        Write(Config, 0);
        _computer.Clock.Advance(1000);

        Assert.Equal(0x1_0000_0018u, Read(Counter));
        Assert.Equal(1u, Hpet.ReadMmio(Counter + 4, AccessWidth.Dword));
    }

    [Fact]
    public void Counter_WrittenWhileItCounts_GoesOn()
    {
        Write(Config, Enable);
        _computer.Clock.Advance(5 * Tick);

        Write(Counter, 0x1000);

        Assert.Equal(5u, Read(Counter));
    }

    [Fact]
    public void Counter_WrittenInHalves_HasBoth()
    {
        Hpet.WriteMmio(Counter, AccessWidth.Dword, 0x11111111);
        Hpet.WriteMmio(Counter + 4, AccessWidth.Dword, 0x22222222);

        Assert.Equal(0x2222_2222_1111_1111u, Read(Counter));
    }

    [Fact]
    public void OneShot_Reached_InterruptsOnce()
    {
        Write(Config, Enable);
        SetTimer(2, InterruptEnable | Route(20), 100);

        _computer.Clock.Advance(99 * Tick);
        Assert.Equal(0, _computer.Edges(20));
        _computer.Clock.Advance(1 * Tick);
        Assert.Equal(1, _computer.Edges(20));
        _computer.Clock.Advance(1_000_000_000);
        Assert.Equal(1, _computer.Edges(20));
        Assert.Equal(0u, Read(Status)); // edge-triggered timers have no status
    }

    [Fact]
    public void OneShot_PassedValue_WaitsForTheWrap()
    {
        Write(Counter, 0xFFFF_FFF0);
        Write(Config, Enable);
        SetTimer(1, InterruptEnable | Mode32 | Route(21), 5);

        _computer.Clock.Advance(20 * Tick);
        Assert.Equal(0, _computer.Edges(21));
        _computer.Clock.Advance(1 * Tick);
        Assert.Equal(1, _computer.Edges(21));
        _computer.Clock.Advance((1L << 32) * Tick);
        Assert.Equal(2, _computer.Edges(21)); // a 32-bit timer matches each time the counter's low half comes round
    }

    [Fact]
    public void OneShot_Wide_DoesNotMatchTheLowHalfAlone()
    {
        Write(Config, Enable);
        SetTimer(1, InterruptEnable | Route(21), 0x1_0000_0005);

        _computer.Clock.Advance(0x1_0000_0004 * Tick);
        Assert.Equal(0, _computer.Edges(21));
        _computer.Clock.Advance(Tick);
        Assert.Equal(1, _computer.Edges(21));
    }

    [Fact]
    public void Periodic_FirstValueAndPeriod_InterruptsAtEachAndMovesTheComparator()
    {
        Write(Config, Enable);
        SetTimer(0, InterruptEnable | Periodic | ValueSet | Mode32 | Route(22), 5_000);
        Write(0x108, 2_000);

        _computer.Clock.Advance(5_000 * Tick);
        Assert.Equal(1, _computer.Edges(22));
        Assert.Equal(7_000u, Read(0x108));
        _computer.Clock.Advance(10_000 * Tick);
        Assert.Equal(6, _computer.Edges(22));
        Assert.Equal(0u, Read(0x100) & ValueSet);
    }

    [Fact]
    public void Periodic_OfOneTick_InterruptsNoMoreThanTheHostCanServe()
    {
        Write(Config, Enable);
        SetTimer(0, InterruptEnable | Periodic | ValueSet | Route(22), 1);

        _computer.Clock.Advance(1_000_000);

        Assert.InRange(_computer.Edges(22), 50, 200);
    }

    [Fact]
    public void Periodic_WithoutPeriod_InterruptsOnce()
    {
        Write(Config, Enable);
        SetTimer(0, InterruptEnable | Periodic | ValueSet | Route(22), 100);
        Write(0x108, 0);

        _computer.Clock.Advance(1_000_000);

        Assert.Equal(1, _computer.Edges(22));
    }

    [Fact]
    public void Level_Matched_StaysUntilTheStatusIsCleared()
    {
        Write(Config, Enable);
        SetTimer(1, Level | InterruptEnable | Route(23), 10);
        _computer.Clock.Advance(10 * Tick);

        Assert.Equal(2u, Read(Status));
        Assert.True(_computer.IsHigh(23));
        Write(Status, 1); // another timer's
        Assert.True(_computer.IsHigh(23));
        Write(Status, 2);
        Assert.False(_computer.IsHigh(23));
        Assert.Equal(0u, Read(Status));
    }

    [Fact]
    public void Level_NotEnabled_HasStatusOnly()
    {
        Write(Config, Enable);
        SetTimer(1, Level | Route(23), 10);
        _computer.Clock.Advance(10 * Tick);

        Assert.Equal(2u, Read(Status));
        Assert.False(_computer.IsHigh(23));
    }

    [Fact]
    public void LegacyReplacement_Selected_TakesTheWiresOfTheOldTimers()
    {
        _computer.IntervalTimer.Original.Set(true);
        SetTimer(0, InterruptEnable | Route(20), 10);
        SetTimer(1, InterruptEnable | Route(20), 20);
        Write(Config, Enable | Legacy);
        Assert.False(_computer.IsHigh(IntervalTimerPin));

        _computer.Clock.Advance(20 * Tick);

        Assert.True(_computer.IsHigh(IntervalTimerPin));
        Assert.True(_computer.IsHigh(RealTimeClockPin));
        Assert.Equal(0, _computer.Edges(20));
        Write(Config, Enable);
        Assert.True(_computer.IsHigh(IntervalTimerPin)); // the interval timer's own level again
        Assert.False(_computer.IsHigh(RealTimeClockPin));
    }

    [Fact]
    public void Route_ToAWireThatIsNotThere_InterruptsNobody()
    {
        Write(Config, Enable);
        SetTimer(2, InterruptEnable | Route(3), 10);

        _computer.Clock.Advance(10 * Tick);

        Assert.Equal(0u, (Read(0x140) >> 32) & (1 << 3));
        Assert.Equal([IntervalTimerPin, RealTimeClockPin, 20, 21, 22, 23], _computer.Pins.Where(pin => _computer.Edges(pin) == 0));
    }

    [Fact]
    public void Access_OfBytes_ReadsThemAndWritesNothing()
    {
        Write(Counter, 0x1122_3344);

        Hpet.WriteMmio(Counter, AccessWidth.Byte, 0xFF);
        Hpet.WriteMmio(Counter + 2, AccessWidth.Dword, 0xFFFF_FFFF);

        Assert.Equal(0x22u, Hpet.ReadMmio(Counter + 2, AccessWidth.Byte) & 0xFF);
        Assert.Equal(0x1122_3344u, Read(Counter));
    }

    [Fact]
    public void Contract_Counting_Holds()
    {
        Write(Config, Enable | Legacy);
        SetTimer(0, InterruptEnable | Periodic | ValueSet | Mode32, 2_000);
        SetTimer(2, Level | InterruptEnable | Route(20), 100);
        _computer.Clock.Advance(45_000);

        UnitContract.Check<HpetState>(Hpet, (property, old) => property.Name switch
        {
            nameof(HpetTimerState.Config) when property.DeclaringType == typeof(HpetTimerState) => (ulong)old! ^ InterruptEnable,
            nameof(HpetTimerState.Due) => 123_456L,
            _ => null,
        });
    }

    [Fact]
    public void Load_WhileItCounts_GoesOnWithoutAnEdge()
    {
        Write(Config, Enable);
        SetTimer(0, InterruptEnable | Periodic | ValueSet | Route(22), 5_000);
        SetTimer(1, Level | InterruptEnable | Route(23), 10);
        _computer.Clock.Advance(5_000 * Tick);
        Computer other = new();
        other.Clock.Advance(_computer.Clock.Now);

        other.Hpet.LoadState(Hpet.SaveState());
        other.Hpet.Resume();

        Assert.Equal(0, other.Edges(22) + other.Edges(23));
        Assert.Equal(Read(Counter), other.Hpet.ReadMmio(Counter, AccessWidth.Qword));
        other.Clock.Advance(5_000 * Tick);
        Assert.Equal(1, other.Edges(22));
        other.Hpet.WriteMmio(Status, AccessWidth.Qword, 2);
        Assert.False(other.IsHigh(23));
    }

    [Fact]
    public void Load_LegacySelected_RestoresWhoDrivesTheWires()
    {
        Write(Config, Enable | Legacy);
        SetTimer(0, InterruptEnable, 10);
        Computer other = new();

        other.Hpet.LoadState(Hpet.SaveState());
        other.IntervalTimer.Original.Set(true);

        Assert.Equal(0, other.Edges(IntervalTimerPin));
    }

    [Fact]
    public void Load_WiresThatAreNotThere_AreRefused()
    {
        HpetState state = Hpet.SaveState();
        state.Lines = 1UL << 6;

        StateException error = Assert.Throws<StateException>(() => Hpet.LoadState(state));

        Assert.Contains("wires", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void RandomAccesses_AndTime_EndAndLeaveALoadableState(int seed)
    {
        Random random = new(seed);
        AccessWidth[] widths = [AccessWidth.Byte, AccessWidth.Word, AccessWidth.Dword, AccessWidth.Qword];
        int[] registers = [Config, Status, Counter, 0x100, 0x108, 0x120, 0x128, 0x140, 0x148];
        for (int i = 0; i < 20_000; i++)
        {
            ulong offset = random.Next(10) == 0 ? (ulong)random.Next(Hpet.RegionSize - 8) : (ulong)registers[random.Next(registers.Length)];
            AccessWidth width = widths[random.Next(widths.Length)];
            ulong value = (ulong)random.NextInt64() >> random.Next(64);
            Hpet.WriteMmio(offset, width, value & width.Mask());
            Hpet.ReadMmio(offset, width);
            _computer.Clock.Advance(random.Next(20) == 0 ? random.Next(1_000_000) : random.Next(100));
        }

        HpetState state = Hpet.SaveState();
        StateWriter writer = new();
        writer.WriteRecord(state);
        HpetState read = new StateReader(writer.ToArray(), "hpet").ReadRecord<HpetState>();
        Assert.Equal(state.Lines, read.Lines);
    }

    private static int Route(int pin) => pin << 9;

    private ulong Read(int offset) => Hpet.ReadMmio((ulong)offset, AccessWidth.Qword);

    private void Write(int offset, ulong value) => Hpet.WriteMmio((ulong)offset, AccessWidth.Qword, value);

    private void SetTimer(int timer, int config, ulong value)
    {
        Write(0x100 + (timer * 0x20), (ulong)config);
        Write(0x108 + (timer * 0x20), value);
    }

    private sealed class Computer
    {
        private readonly RecordingSink _sink = new();

        public Computer()
        {
            IntervalTimer = new LegacyInterruptSwitch(_sink.Line(IntervalTimerPin));
            Hpet = new Hpet(Clock, new HpetWiring
            {
                IntervalTimer = IntervalTimer,
                RealTimeClock = new LegacyInterruptSwitch(_sink.Line(RealTimeClockPin)),
                Routes = Enumerable.Range(20, 4).ToDictionary(pin => pin, pin => _sink.Line(pin)),
            });
        }

        public ManualClock Clock { get; } = new();

        public LegacyInterruptSwitch IntervalTimer { get; }

        public Hpet Hpet { get; }

        public IEnumerable<int> Pins => [IntervalTimerPin, RealTimeClockPin, 20, 21, 22, 23];

        public int Edges(int pin) => _sink.Levels.Count(level => level.Pin == pin && level.High);

        public bool IsHigh(int pin) => _sink.Levels.LastOrDefault(level => level.Pin == pin).High;
    }
}
