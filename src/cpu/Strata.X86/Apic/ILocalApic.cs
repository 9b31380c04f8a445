using Strata.Core.Bus;
using Strata.X86.Paravirt;

namespace Strata.X86.Apic;

/// <summary>What a processor needs of its local APIC.</summary>
public interface ILocalApic : IMmioDevice
{
    /// <summary>
    /// True if <see cref="TryAcknowledge"/> would deliver a vector. Two volatile reads: asked between all slices. vCPU thread.
    /// </summary>
    bool HasPendingInterrupt { get; }

    /// <summary>Takes the highest-priority deliverable vector into service. vCPU thread.</summary>
    bool TryAcknowledge(out byte vector);

    /// <summary>Task priority bits 7..4, as CR8 shows them.</summary>
    byte Cr8 { get; set; }

    /// <summary>IA32_APIC_BASE as the guest reads it.</summary>
    ulong BaseMsr { get; }

    /// <summary>Writes IA32_APIC_BASE.</summary>
    /// <returns>False for a transition or a bit that is not allowed: #GP.</returns>
    bool TryWriteBase(ulong value);

    /// <summary>Guest-physical page of the registers, or all ones when they are not memory-mapped now.</summary>
    ulong MmioPage { get; }

    /// <summary>x2APIC registers (0x800..0x8FF) and IA32_TSC_DEADLINE.</summary>
    /// <returns>False: #GP.</returns>
    bool TryReadMsr(uint index, out ulong value);

    bool TryWriteMsr(uint index, ulong value);

    /// <summary>The guest's flag that replaces end-of-interrupt commands, or null for none. vCPU thread.</summary>
    void UseEoiFlag(EoiFlag? flag);

    /// <summary>The same after a load of the state: the flag may be raised, and stays so. While the processor stands still.</summary>
    void RestoreEoiFlag(EoiFlag? flag);

    /// <summary>INIT: everything but the APIC ID and base.</summary>
    void Init();
}
