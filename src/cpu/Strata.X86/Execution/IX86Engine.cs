using Strata.Core.Execution;

namespace Strata.X86.Execution;

/// <summary>An engine that executes one x86 vCPU.</summary>
public interface IX86Engine : IVcpu
{
    /// <summary>The processor; its index is the initial APIC ID. For state access while <c>Run</c> is not active.</summary>
    X86Cpu Cpu { get; }

    /// <summary>CR3, for a device that an instruction of this vCPU reads or writes: on the vCPU's thread.</summary>
    ulong AddressSpace => Cpu.State.Cr3;
}
