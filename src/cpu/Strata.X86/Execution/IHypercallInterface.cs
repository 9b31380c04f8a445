using Strata.Core.State;
using Strata.X86.Cpuid;

namespace Strata.X86.Execution;

/// <summary>
/// One processor's side of what a monitor offers to guests that know they are in a machine: leaves of CPUID, MSRs, calls, and records
/// that it keeps in guest memory. A board gives it to a processor by <see cref="X86CpuWiring.Hypercalls"/>, the same for every engine; a
/// processor without one looks like hardware. It is a unit of the machine beside its processor.
/// On the vCPU's thread, or while it stands still.
/// </summary>
public interface IHypercallInterface : IUnit
{
    /// <summary>The guest wants to know for how long its processor could not run.</summary>
    bool CountsStealTime { get; }

    /// <summary>Tells the guest of time, in ns, during which its processor wanted to run and the host ran something else.</summary>
    void AddStealTime(ulong nanoseconds);

    /// <param name="leaf">40000000H to 4FFFFFFFH: the range that processors leave to monitors.</param>
    /// <returns>Zeros for a leaf that it does not have.</returns>
    CpuidResult QueryCpuid(uint leaf);

    /// <summary>Asked for an MSR that the processor does not have itself.</summary>
    /// <returns>False: there is no such MSR.</returns>
    bool TryReadMsr(uint index, out ulong value);

    /// <summary>Told of a write of an MSR that the processor does not have itself. It may write to guest memory, code included.</summary>
    /// <returns>False: there is no such MSR, or it does not take the value.</returns>
    bool TryWriteMsr(X86Cpu cpu, uint index, ulong value);

    /// <summary>
    /// Serves VMCALL and VMMCALL, from any privilege; arguments and result are where the interface's own convention has them. It may
    /// write to guest memory, code included.
    /// </summary>
    void Serve(X86Cpu cpu);

    /// <summary>The processor's time-stamp counter has another distance from virtual time.</summary>
    /// <param name="tscOffset">What it shows, in ticks, at virtual time zero.</param>
    void OnTscMoved(ulong tscOffset);

    /// <summary>The processor stood still for long without the guest's doing, which must not take that for a lockup.</summary>
    void OnStoodStill();
}
