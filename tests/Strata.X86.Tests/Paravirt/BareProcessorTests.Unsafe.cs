using Strata.Core.Bus;
using Strata.Core.Time;
using Strata.X86.Cpuid;
using Strata.X86.Execution;
using Strata.X86.Paravirt;
using Strata.X86.Registers;

namespace Strata.X86.Tests.Paravirt;

/// <summary>
/// A processor that no board has given a hypercall interface: nothing on it tells of a monitor. Intel SDM Vol. 2A, "CPUID".
/// </summary>
public sealed class BareProcessorTests : IDisposable
{
    private const uint GeneralProtection = (uint)ExceptionVector.GeneralProtection | 0x300;
    private const uint InvalidOpcode = (uint)ExceptionVector.InvalidOpcode | 0x100;

    private readonly X86Cpu _cpu = new(
        new X86CpuWiring { Index = 0, Memory = new AddressSpace(), Ports = new PortSpace(), Clock = new ManualClock() });

    public static TheoryData<uint> Registers =>
        [0x11, 0x12, ParavirtMsr.First, ParavirtMsr.SystemTime, ParavirtMsr.StealTime, ParavirtMsr.EndOfInterrupt, 0x4000_0000];

    [Theory]
    [InlineData(0x4000_0000U)]
    [InlineData(0x4000_0001U)]
    [InlineData(0x4000_0010U)]
    [InlineData(0x4000_0100U)]
    public void QueryCpuid_LeafOfMonitors_IsZeros(uint leaf) => Assert.Equal(default, _cpu.QueryCpuid(leaf, 0));

    [Fact]
    public void QueryCpuid_Identification_TellsOfNoMonitor()
    {
        CpuidResult bare = _cpu.QueryCpuid(1, 0);
        using ParavirtMachine machine = new();

        CpuidResult told = machine.Cpu.QueryCpuid(1, 0);

        Assert.Equal(0u, bare.Ecx & CpuidFeatureSet.Hypervisor);
        Assert.Equal(bare.Ecx | CpuidFeatureSet.Hypervisor, told.Ecx);
    }

    [Theory]
    [MemberData(nameof(Registers))]
    public void TryReadMsr_RegisterOfMonitors_IsGeneralProtection(uint msr)
    {
        Assert.False(_cpu.TryReadMsr(msr, out _));

        Assert.Equal(GeneralProtection, TakeException());
    }

    [Theory]
    [MemberData(nameof(Registers))]
    public void TryWriteMsr_RegisterOfMonitors_IsGeneralProtection(uint msr)
    {
        Assert.False(_cpu.TryWriteMsr(msr, 1));

        Assert.Equal(GeneralProtection, TakeException());
    }

    [Fact]
    public void ServeHypercall_IsNoInstruction()
    {
        _cpu.Register(Gpr.Rax) = Hypercall.PollInterrupts;

        _cpu.ServeHypercall();

        Assert.Equal(InvalidOpcode, TakeException());
        Assert.Equal(Hypercall.PollInterrupts, _cpu.Register(Gpr.Rax));
    }

    /// <summary>What an interface would be told of.</summary>
    [Fact]
    public void TscStandstillAndInit_WithoutInterface_GoOn()
    {
        Assert.True(_cpu.TryWriteMsr(Msr.IA32_TSC, 77));
        Assert.Equal(77UL, _cpu.ReadTsc());
        _cpu.PostStoodStill();
        _cpu.TellStandstill();
        Assert.False(_cpu.HasSignals);
        _cpu.Register(Gpr.Rbx) = 5;
        _cpu.PostInit();

        Assert.True(_cpu.TryWake());

        Assert.Equal(0UL, _cpu.Register(Gpr.Rbx));
    }

    public void Dispose() => _cpu.Dispose();

    // SAFETY: the context lives as long as the processor.
    private unsafe uint TakeException()
    {
        uint pending = _cpu.Context->PendingException;
        _cpu.Context->PendingException = 0;
        return pending;
    }
}
