using Strata.X86.Cpuid;
using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>What the guest finds of the monitor: <see cref="X86CpuWiring.Hypercalls"/>, or nothing.</summary>
public sealed unsafe partial class X86Cpu
{
    private const uint FirstMonitorLeaf = 0x4000_0000;
    private const uint LastMonitorLeaf = 0x4FFF_FFFF;

    private int _kicked;

    /// <summary>Ends the halt, or the next one. Any thread; the caller kicks the vCPU afterwards.</summary>
    public void PostWake() => Volatile.Write(ref _kicked, 1);

    /// <summary>Moves the TSC, and with it what the guest's clock takes for time zero.</summary>
    public void MoveTsc(ulong ticks)
    {
        Context->State.TscOffset += ticks;
        Wiring.Hypercalls?.OnTscMoved(Context->State.TscOffset);
    }

    /// <summary>Serves VMCALL and VMMCALL. Without an interface they are #UD, as on a processor outside of VMX and SVM operation.</summary>
    public void ServeHypercall()
    {
        if (Wiring.Hypercalls is not { } hypercalls)
        {
            Raise(ExceptionVector.InvalidOpcode);
            return;
        }

        Context->EndBlock = 1; // what it writes may lie in a page of code
        hypercalls.Serve(this);
    }

    /// <summary>CPUID as this processor's guest sees it.</summary>
    /// <param name="leaf">EAX.</param>
    /// <param name="subleaf">ECX.</param>
    public CpuidResult QueryCpuid(uint leaf, uint subleaf) =>
        QueryCpuid(leaf, subleaf, Context->State, apicEnabled: ((Wiring.LocalApic?.BaseMsr ?? 0) & (1 << 11)) != 0);

    /// <inheritdoc cref="QueryCpuid(uint, uint)"/>
    /// <param name="state">What <see cref="CpuidPolicy.Query"/> looks at.</param>
    /// <param name="apicEnabled">IA32_APIC_BASE bit 11.</param>
    public CpuidResult QueryCpuid(uint leaf, uint subleaf, in X86CpuState state, bool apicEnabled)
    {
        if (leaf is >= FirstMonitorLeaf and <= LastMonitorLeaf)
        {
            return Wiring.Hypercalls?.QueryCpuid(leaf) ?? default;
        }

        CpuidResult result = Wiring.Cpuid.Query(leaf, subleaf, (uint)Wiring.Index, state, apicEnabled);
        return leaf == 1 && Wiring.Hypercalls is null ? result with { Ecx = result.Ecx & ~CpuidFeatureSet.Hypervisor } : result;
    }
}
