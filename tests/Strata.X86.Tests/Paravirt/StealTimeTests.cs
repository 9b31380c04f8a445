using Strata.X86.Paravirt;

namespace Strata.X86.Tests.Paravirt;

/// <summary>Linux kernel documentation, "KVM-specific MSRs", MSR_KVM_STEAL_TIME; and the processor's saved state.</summary>
public sealed class StealTimeTests
{
    private const ulong Record = 0x2000;
    private const ulong Clock = 0x3000;
    private const ulong Flag = 0x4000;

    [Fact]
    public void AddStealTime_Enabled_AddsToTheRecordUnderItsVersion()
    {
        using ParavirtMachine machine = new();
        machine.Write(ParavirtMsr.StealTime, Record | 1);
        uint version = machine.Dword(Record + 8);

        machine.Interface.AddStealTime(1_500);
        machine.Interface.AddStealTime(500);

        Assert.Equal((2_000UL, version + 4), (machine.Quad(Record), machine.Dword(Record + 8)));
    }

    [Fact]
    public void AddStealTime_NotEnabled_WritesNothing()
    {
        using ParavirtMachine machine = new();
        machine.Write(ParavirtMsr.StealTime, Record);

        machine.Interface.AddStealTime(1_500);

        Assert.False(machine.Interface.CountsStealTime);
        Assert.Equal(0UL, machine.Quad(Record));
    }

    [Fact]
    public void Init_EveryRecord_IsForgotten()
    {
        using ParavirtMachine machine = new();
        machine.Write(ParavirtMsr.SystemTime, Clock | 1);
        machine.Write(ParavirtMsr.StealTime, Record | 1);
        machine.Write(ParavirtMsr.EndOfInterrupt, Flag | 1);

        machine.Cpu.PostInit();
        machine.Cpu.TryWake();

        ParavirtState state = machine.Interface.SaveState();
        Assert.Equal((0UL, 0UL, 0UL, 0UL), (state.SystemTime, state.WallClock, state.StealTime, state.EndOfInterrupt));
    }
}
