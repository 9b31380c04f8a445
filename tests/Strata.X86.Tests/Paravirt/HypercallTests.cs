using Strata.X86.Paravirt;
using Strata.X86.Registers;

namespace Strata.X86.Tests.Paravirt;

/// <summary>Linux kernel documentation, "KVM hypercalls".</summary>
public sealed class HypercallTests
{
    private const int NotPermitted = -1;
    private const int BadArgument = -22;
    private const int NoSuchCall = -1000;

    [Fact]
    public void KickCpu_HaltedProcessor_Wakes()
    {
        using ParavirtMachine machine = new(processors: 2);
        machine.Cpus[1].State.Activity = ActivityState.Halted;
        Assert.False(machine.Cpus[1].TryWake());

        Assert.Equal(0, machine.Call(Hypercall.KickCpu, rcx: 1));

        Assert.True(machine.Cpus[1].TryWake());
        Assert.Equal(ActivityState.Running, machine.Cpus[1].State.Activity);
    }

    [Fact]
    public void KickCpu_RunningProcessor_EndsItsNextHaltOnly()
    {
        using ParavirtMachine machine = new(processors: 2);
        machine.Call(Hypercall.KickCpu, rcx: 1);

        machine.Cpus[1].State.Activity = ActivityState.Halted;
        Assert.True(machine.Cpus[1].TryWake());

        machine.Cpus[1].State.Activity = ActivityState.Halted;
        Assert.False(machine.Cpus[1].TryWake());
    }

    [Fact]
    public void KickCpu_NoSuchProcessor_DoesNothing()
    {
        using ParavirtMachine machine = new(processors: 2);

        Assert.Equal(0, machine.Call(Hypercall.KickCpu, rcx: 77));

        Assert.All(machine.Cpus, cpu => Assert.False(cpu.SaveState().IsWakePosted));
    }

    [Theory]
    [InlineData(0b101UL, 0UL, 0UL, 2, new[] { 0, 2 })]
    [InlineData(0b11UL, 0UL, 1UL, 2, new[] { 1, 2 })]
    [InlineData(1UL << 31, 0b1UL, 0xFFFF_FFE2UL, 0, new int[0])]
    [InlineData(0UL, 0b1UL, 0UL, 0, new int[0])]
    [InlineData(0xFFFF_FFFFUL, 0xFFFF_FFFFUL, 0UL, 3, new[] { 0, 1, 2 })]
    public void SendIpi_Bitmap_ReachesItsProcessors(ulong low, ulong high, ulong first, int reached, int[] processors)
    {
        using ParavirtMachine machine = new(processors: 3);

        Assert.Equal(reached, machine.Call(Hypercall.SendIpi, low, high, first, rsi: 0x51));

        Assert.Equal(processors, Enumerable.Range(0, 3).Where(i => machine.Apics[i].HasPendingInterrupt));
    }

    [Theory]
    [InlineData(1UL << 11)]
    [InlineData(1UL << 18)]
    [InlineData(3UL << 18)]
    public void SendIpi_ShorthandOrLogicalDestination_IsRefused(ulong icr)
    {
        using ParavirtMachine machine = new(processors: 2);

        Assert.Equal(BadArgument, machine.Call(Hypercall.SendIpi, rbx: 3, rsi: icr | 0x51));

        Assert.DoesNotContain(machine.Apics, apic => apic.HasPendingInterrupt);
    }

    [Theory]
    [InlineData(Hypercall.PollInterrupts, 0)]
    [InlineData(Hypercall.SchedYield, 0)]
    [InlineData(0UL, NoSuchCall)]
    [InlineData(8UL, NoSuchCall)]
    [InlineData(0xFFFF_FFFFUL, NoSuchCall)]
    public void Call_ByNumber_Answers(ulong number, int result)
    {
        using ParavirtMachine machine = new();

        Assert.Equal(result, machine.Call(number));
    }

    [Theory]
    [InlineData(Hypercall.KickCpu)]
    [InlineData(Hypercall.SendIpi)]
    [InlineData(Hypercall.SchedYield)]
    public void Call_FeatureNotOffered_DoesNotExist(ulong number)
    {
        using ParavirtMachine machine = new(features: ParavirtFeatures.WithoutHypercalls);

        Assert.Equal(NoSuchCall, machine.Call(number, rbx: 1, rsi: 0x51));

        Assert.False(machine.Apic.HasPendingInterrupt);
    }

    [Fact]
    public void Call_FromUserMode_IsNotPermitted()
    {
        using ParavirtMachine machine = new();
        X86CpuState state = X86CpuState.AtReset();
        state.Cr0 |= Cr0.PE;
        state.Ss.Attributes |= 3u << SegmentState.DplShift;
        machine.Cpu.SetState(state);

        Assert.Equal(NotPermitted, machine.Call(Hypercall.SendIpi, rbx: 1, rsi: 0x51));

        Assert.False(machine.Apic.HasPendingInterrupt);
    }

    /// <summary>Linux kernel documentation, "KVM hypercalls", KVM_HC_CLOCK_PAIRING.</summary>
    [Fact]
    public void ClockPairing_WallClock_TellsTimeAndCounterOfOneMoment()
    {
        using ParavirtMachine machine = new();
        machine.Clock.Advance(1_500_000_100);
        machine.Write(Msr.IA32_TSC, 1UL << 40);
        machine.Fill(0x2000, 64, 0xFF);

        Assert.Equal(0, machine.Call(Hypercall.ClockPairing, rbx: 0x2000));

        DateTime time = DateTime.UnixEpoch.AddSeconds(machine.Quad(0x2000)).AddTicks((long)machine.Quad(0x2008) / 100);
        Assert.Equal(ParavirtMachine.Origin.AddTicks(15_000_001), time);
        Assert.Equal(machine.Cpu.ReadTsc(), machine.Quad(0x2010));
        Assert.Equal(0UL, machine.Quad(0x2018) | machine.Quad(0x2038));
        Assert.True(machine.Ram.IsDirty(2));
    }

    [Theory]
    [InlineData(ParavirtMachine.Rom, 0, -14)]
    [InlineData(ParavirtMachine.MemorySize - 63, 0, -14)]
    [InlineData(0x2000, 1, -95)]
    public void ClockPairing_RecordOutsideOfRamOrOtherClock_IsRefused(ulong address, ulong clock, int expected)
    {
        using ParavirtMachine machine = new();
        machine.Fill(0x2000, 64, 0xFF);

        Assert.Equal(expected, machine.Call(Hypercall.ClockPairing, rbx: address, rcx: clock));

        Assert.Equal(ulong.MaxValue, machine.Quad(0x2000));
    }

    [Fact]
    public void ClockPairing_NoClockOffered_DoesNotExist()
    {
        using ParavirtMachine machine = new(features: ParavirtFeatures.All & ~ParavirtFeatures.Clock);

        Assert.Equal(-1000, machine.Call(Hypercall.ClockPairing, rbx: 0x2000));
    }
}
