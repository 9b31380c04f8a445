using System.Diagnostics;
using Strata.X86.Kvm.Interface;
using Strata.X86.Registers;

namespace Strata.X86.Kvm;

/// <summary>What can be done with a guest's time-stamp counter.</summary>
public sealed unsafe partial class KvmDevice
{
    private const ulong Distance = 1UL << 42; // half an hour or more at any rate

    private ulong _tscAtOpening;
    private long _opening;

    /// <summary>Rate of a guest's time-stamp counter unless it is scaled, in kHz.</summary>
    public uint TscKhz { get; private set; }

    /// <summary>Whether guests can have another rate.</summary>
    public bool ScalesTsc { get; private set; }

    /// <summary>
    /// Whether a guest's counter can differ from the host's. Where KVM is itself virtualized in software it takes a difference without
    /// an error and ignores it.
    /// </summary>
    public bool OffsetsTsc { get; private set; }

    /// <summary>
    /// What a machine's counter should show at virtual time zero so that it can come to this KVM later without a jump: zero if KVM
    /// can set it, otherwise what the host's counter shows now.
    /// </summary>
    public ulong TscOrigin => OffsetsTsc
        ? 0
#pragma warning disable RS0030 // the host's counter, estimated
        : _tscAtOpening + (ulong)(Stopwatch.GetElapsedTime(_opening).TotalMilliseconds * TscKhz);
#pragma warning restore RS0030

    private void ExamineTsc()
    {
        int machine = HostCalls.Control(_descriptor, KvmRequest.CreateVm, 0);
        Demand(machine, "create a machine");
        int vcpu = HostCalls.Control(machine, KvmRequest.CreateVcpu, 0);
        int rate = vcpu < 0 ? 0 : HostCalls.Control(vcpu, KvmRequest.GetTscKhz, 0);
        if (vcpu >= 0)
        {
            _tscAtOpening = TransferTsc(vcpu, KvmRequest.GetMsrs, 0);
#pragma warning disable RS0030 // the host's counter, estimated
            _opening = Stopwatch.GetTimestamp();
#pragma warning restore RS0030
            TransferTsc(vcpu, KvmRequest.SetMsrs, _tscAtOpening + Distance);
            OffsetsTsc = TransferTsc(vcpu, KvmRequest.GetMsrs, 0) - _tscAtOpening > Distance / 2;
            _ = HostCalls.Close(vcpu);
        }

        _ = HostCalls.Close(machine);
        TscKhz = rate > 0
            ? (uint)rate
            : throw new KvmUnavailableException(
                "The host's KVM gives guests no time-stamp counter of a constant rate: use --engine translator.");
    }

    /// <returns>The counter as read, or zero if KVM refuses.</returns>
    private static ulong TransferTsc(int vcpu, uint request, ulong value)
    {
        // SAFETY: a count of one and one entry.
        byte* block = stackalloc byte[8 + sizeof(KvmMsrEntry)];
        *(ulong*)block = 1;
        KvmMsrEntry* entry = (KvmMsrEntry*)(block + 8);
        *entry = new KvmMsrEntry { Index = Msr.IA32_TSC, Data = value };
        return HostCalls.Control(vcpu, request, block) == 1 ? entry->Data : 0;
    }
}
