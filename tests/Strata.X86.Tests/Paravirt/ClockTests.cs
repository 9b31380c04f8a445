using Strata.X86.Paravirt;
using Strata.X86.Registers;

namespace Strata.X86.Tests.Paravirt;

/// <summary>Linux kernel documentation, "KVM-specific MSRs": the clock and the wall clock.</summary>
public sealed class ClockTests
{
    private const ulong Record = 0x2000;
    private const ulong Other = 0x3000;
    private const byte Stable = 1;
    private const byte GuestStopped = 2;

    [Theory]
    [InlineData(ParavirtMsr.SystemTime)]
    [InlineData(ParavirtMsr.SystemTimeOld)]
    public void SystemTime_Enabled_GuestReadsVirtualTime(uint msr)
    {
        using ParavirtMachine machine = new();
        machine.Fill(Record, 32, 0xFF);
        machine.Clock.Advance(123_456_789);

        Assert.True(machine.Write(msr, Record | 1));
        machine.Clock.Advance(1_000_000_007);

        Assert.Equal((ulong)machine.Clock.Now, machine.ReadClock(Record, machine.Cpu.ReadTsc()));
        Assert.Equal(Stable, machine[Record + 29]);
        Assert.True(machine.Ram.IsDirty(Record >> 12));
    }

    [Theory]
    [InlineData(2_394_437_000UL)]
    [InlineData(3_000_000_000UL)]
    [InlineData(800_001_000UL)]
    public void SystemTime_OtherRates_GuestReadsVirtualTimeWithinOneMicrosecondAfterAnHour(ulong frequency)
    {
        using ParavirtMachine machine = new(frequency: frequency);
        machine.Write(ParavirtMsr.SystemTime, Record | 1);

        machine.Clock.Advance(3_600_000_000_000);

        long error = (long)machine.ReadClock(Record, machine.Cpu.ReadTsc()) - machine.Clock.Now;
        Assert.InRange(error, -1000, 1000);
    }

    [Fact]
    public void SystemTime_TwoProcessorsWithOtherCounters_ReadTheSameTime()
    {
        using ParavirtMachine machine = new(processors: 2, frequency: 2_394_437_000);
        machine.Write(ParavirtMsr.SystemTime, Record | 1);
        machine.Clock.Advance(987_654_321);
        machine.Write(Msr.IA32_TSC, 42, processor: 1);
        machine.Write(ParavirtMsr.SystemTime, Other | 1, processor: 1);

        machine.Clock.Advance(55_555_555_555);

        Assert.Equal(machine.ReadClock(Record, machine.Cpus[0].ReadTsc()), machine.ReadClock(Other, machine.Cpus[1].ReadTsc()));
    }

    [Theory]
    [InlineData(Msr.IA32_TSC)]
    [InlineData(Msr.IA32_TSC_ADJUST)]
    public void SystemTime_GuestMovesItsCounter_TimeGoesOn(uint msr)
    {
        using ParavirtMachine machine = new();
        machine.Write(ParavirtMsr.SystemTime, Record | 1);
        machine.Clock.Advance(1_000_000);
        uint version = machine.Dword(Record);

        machine.Write(msr, 1UL << 60);
        machine.Clock.Advance(1_000_000);

        Assert.Equal(2_000_000UL, machine.ReadClock(Record, machine.Cpu.ReadTsc()));
        Assert.Equal(version + 2, machine.Dword(Record));
    }

    [Fact]
    public void SystemTime_SwitchedOff_RecordIsLeftAlone()
    {
        using ParavirtMachine machine = new();
        machine.Write(ParavirtMsr.SystemTime, Record | 1);
        machine.Write(ParavirtMsr.SystemTime, Record);
        machine.Fill(Record, 32, 0xAA);

        machine.Write(Msr.IA32_TSC, 5);

        Assert.Equal(0xAAAA_AAAA_AAAA_AAAAUL, machine.Quad(Record + 8));
        machine.Read(ParavirtMsr.SystemTime, out ulong value);
        Assert.Equal(Record, value);
    }

    [Fact]
    public void SystemTime_WithoutStableCounters_SaysSo()
    {
        using ParavirtMachine machine = new(features: ParavirtFeatures.WithoutHypercalls);

        machine.Write(ParavirtMsr.SystemTime, Record | 1);

        Assert.Equal(0, machine[Record + 29]);
    }

    [Fact]
    public void PostStoodStill_ClockInUse_GuestIsToldBeforeItsNextInterruptUntilItHasSeenIt()
    {
        using ParavirtMachine machine = new();
        machine.Write(ParavirtMsr.SystemTime, Record | 1);
        uint version = machine.Dword(Record);

        machine.Cpu.PostStoodStill();
        Assert.Equal(Stable, machine[Record + 29]);
        machine.Cpu.DeliverInterrupts();
        Assert.Equal(Stable | GuestStopped, machine[Record + 29]);
        machine.Write(Msr.IA32_TSC, 5); // the record is written again
        Assert.Equal(Stable | GuestStopped, machine[Record + 29]);
        machine[Record + 29] = Stable; // seen
        machine.Write(Msr.IA32_TSC, 7);
        machine.Cpu.DeliverInterrupts();

        Assert.Equal(Stable, machine[Record + 29]);
        Assert.Equal(version + 6, machine.Dword(Record));
    }

    /// <summary>An interrupt that waited when the host stopped the machine comes before the clock's thread has looked.</summary>
    [Fact]
    public void DeliverInterrupts_StandstillThatNobodyHasPosted_IsLookedForFirst()
    {
        int looks = 0;
        using ParavirtMachine machine = new(lookForStandstill: cpu =>
        {
            looks++;
            cpu.PostStoodStill();
        });
        machine.Write(ParavirtMsr.SystemTime, Record | 1);
        machine.Cpu.DeliverInterrupts();
        Assert.Equal(0, looks);

        machine.Cpu.TellStandstill();

        Assert.Equal(1, looks);
        Assert.Equal(Stable | GuestStopped, machine[Record + 29]);
        Assert.False(machine.Cpu.HasSignals);
    }

    [Fact]
    public void PostStoodStill_NoClock_WritesNowhereAndNoNmiCountsForIt()
    {
        using ParavirtMachine machine = new();
        machine.Fill(0, 32, 0);

        machine.Cpu.PostStoodStill();
        machine.Cpu.DeliverInterrupts();

        Assert.Equal(0UL, machine.Quad(24));
        Assert.False(machine.Cpu.HasSignals);
        Assert.False(machine.Cpu.IsEventWaiting);
    }

    [Theory]
    [InlineData(ParavirtMsr.WallClock)]
    [InlineData(ParavirtMsr.WallClockOld)]
    public void WallClock_Written_TellsWallTimeOfVirtualTimeZero(uint msr)
    {
        using ParavirtMachine machine = new();
        machine.Fill(Record, 12, 0x77);
        machine.Clock.Advance(5_000_000_000);

        machine.Write(msr, Record);

        DateTime told = DateTime.UnixEpoch.AddSeconds(machine.Dword(Record + 4)).AddTicks(machine.Dword(Record + 8) / 100);
        Assert.Equal(ParavirtMachine.Origin, told);
        Assert.Equal(0U, machine.Dword(Record) & 1);
    }

    [Theory]
    [InlineData(ParavirtMsr.SystemTime, ulong.MaxValue)]
    [InlineData(ParavirtMsr.SystemTime, ParavirtMachine.Rom | 1)]
    [InlineData(ParavirtMsr.SystemTime, (ParavirtMachine.MemorySize - 8) | 1)]
    [InlineData(ParavirtMsr.WallClock, ParavirtMachine.MemorySize - 4)]
    [InlineData(ParavirtMsr.WallClock, ulong.MaxValue)]
    [InlineData(ParavirtMsr.StealTime, 0xFFFF_FFFF_FFFF_FFC1)]
    [InlineData(ParavirtMsr.StealTime, ParavirtMachine.Rom | 1)]
    public void Write_AddressOutsideOfRam_IsKeptAndHarmless(uint msr, ulong value)
    {
        using ParavirtMachine machine = new();

        Assert.True(machine.Write(msr, value));
        machine.Write(Msr.IA32_TSC, 1);
        machine.Interface.AddStealTime(1);

        machine.Read(msr, out ulong read);
        Assert.Equal(value, read);
        Assert.Equal(0UL, machine.Quad(ParavirtMachine.MemorySize - 8));
    }

    [Theory]
    [InlineData(ParavirtMsr.StealTime, 0x2003UL)]
    [InlineData(ParavirtMsr.StealTime, 0x2021UL)]
    [InlineData(ParavirtMsr.EndOfInterrupt, 0x2003UL)]
    [InlineData(ParavirtMsr.EndOfInterrupt, ulong.MaxValue & ~2UL)]
    [InlineData(ParavirtMsr.EndOfInterrupt, ParavirtMachine.Rom | 1)]
    [InlineData(ParavirtMsr.First + 2, 0UL)]
    [InlineData(ParavirtMsr.Last, 0UL)]
    public void Write_ReservedBitsAndUnknownRegisters_Fault(uint msr, ulong value)
    {
        using ParavirtMachine machine = new();

        Assert.False(machine.Write(msr, value));
    }

    [Theory]
    [InlineData(ParavirtMsr.SystemTime)]
    [InlineData(ParavirtMsr.SystemTimeOld)]
    [InlineData(ParavirtMsr.WallClock)]
    [InlineData(ParavirtMsr.WallClockOld)]
    [InlineData(ParavirtMsr.StealTime)]
    [InlineData(ParavirtMsr.EndOfInterrupt)]
    public void Access_FeatureNotOffered_Faults(uint msr)
    {
        using ParavirtMachine machine = new(features: ParavirtFeatures.None);

        Assert.False(machine.Write(msr, 0));
        Assert.False(machine.Read(msr, out _));
    }
}
