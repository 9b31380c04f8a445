using System.Runtime.InteropServices;
using Strata.Core.Bus;
using Strata.X86.Cpuid;
using Strata.X86.Execution;
using Strata.X86.Kvm.Interface;
using Strata.X86.Registers;

namespace Strata.X86.Kvm;

/// <summary>
/// KVM's side of one machine: its memory slots, which are the machine's own memory, and its vCPUs. Interrupt controllers stay
/// ours. Vcpus are made once and kept, as KVM never lets go of one; engines come and go.
/// <para>Threads: made and disposed by the board; <see cref="HarvestDirtyPages"/>, and changes of the memory map, on any, with vCPUs
/// running.</para>
/// </summary>
public sealed unsafe partial class KvmMachine : IDisposable
{
    /// <summary>Three pages that KVM needs on old Intel CPUs for real mode; below the firmware area, where no RAM is.</summary>
    private const ulong TssAddress = 0xFFFB_D000;
    private const ulong IdentityMapAddress = 0xFFFB_C000;

    /// <summary>Reasons for KVM to leave MSRs to the monitor: unknown, refused, filtered.</summary>
    private const ulong EveryMsrReason = 1 | 2 | 4;

    private const uint DenyByDefault = 1;

    private static readonly (uint First, uint Count, uint Access)[] NativeMsrs =
    [
        (Msr.IA32_TSC, 1, KvmMsrFilterRange.Read),
        (Msr.IA32_SPEC_CTRL, 2, KvmMsrFilterRange.Read | KvmMsrFilterRange.Write), // and IA32_PRED_CMD
        (Msr.IA32_SYSENTER_CS, 3, KvmMsrFilterRange.Read | KvmMsrFilterRange.Write),
        (Msr.IA32_PAT, 1, KvmMsrFilterRange.Read | KvmMsrFilterRange.Write),
        (Msr.IA32_EFER, 5, KvmMsrFilterRange.Read | KvmMsrFilterRange.Write), // to IA32_FMASK
        (Msr.IA32_FS_BASE, 4, KvmMsrFilterRange.Read | KvmMsrFilterRange.Write), // to IA32_TSC_AUX
    ];

    private readonly KvmDevice _device;
    private readonly bool _ownsDevice;
    private readonly int _descriptor;
    private readonly Dictionary<int, KvmVcpu> _vcpus = [];

    /// <param name="device">Disposed with the machine if <paramref name="ownsDevice"/>.</param>
    /// <param name="memory">KVM's slots follow its changes.</param>
    /// <param name="policy">What the guest is told of its processors.</param>
    /// <param name="logsDirtyPages">Find written pages one by one from the start, at the price of small pages; otherwise from the first
    /// harvest on, which finds all.</param>
    /// <exception cref="KvmUnavailableException">KVM cannot run this machine.</exception>
    public KvmMachine(KvmDevice device, AddressSpace memory, CpuidPolicy policy, bool logsDirtyPages = false, bool ownsDevice = false)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(memory);
        device.Require(policy);
        _device = device;
        _ownsDevice = ownsDevice;
        _logsDirtyPages = logsDirtyPages;
        _memory = memory;
        Policy = policy;
        _descriptor = HostCalls.Control(device.Descriptor, KvmRequest.CreateVm, 0);
        Demand(_descriptor, "create a machine");
        try
        {
            Configure();
            MapMemory();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What the guest is told of its processors.</summary>
    public CpuidPolicy Policy { get; }

    internal KvmDevice Device => _device;

    internal int Descriptor => _descriptor;

    /// <summary>The vCPU of a processor, made on first use.</summary>
    internal KvmVcpu GetVcpu(X86Cpu cpu)
    {
        int index = cpu.Wiring.Index;
        if (!_vcpus.TryGetValue(index, out KvmVcpu? vcpu))
        {
            vcpu = new KvmVcpu(this, cpu);
            _vcpus.Add(index, vcpu);
        }

        return vcpu;
    }

    public void Dispose()
    {
        foreach (KvmVcpu vcpu in _vcpus.Values)
        {
            vcpu.Dispose();
        }

        UnmapMemory();

        _ = HostCalls.Close(_descriptor);
        if (_ownsDevice)
        {
            _device.Dispose();
        }
    }

    internal static void Demand(int result, string what)
    {
        if (result < 0)
        {
            throw new KvmUnavailableException(
                $"The host's KVM failed to {what} (errno {Marshal.GetLastPInvokeError()}): use --engine translator.");
        }
    }

    private void Configure()
    {
        Demand(HostCalls.Control(_descriptor, KvmRequest.SetTssAddress, unchecked((nint)TssAddress)), "place its TSS");
        ulong identityMap = IdentityMapAddress;
        Demand(HostCalls.Control(_descriptor, KvmRequest.SetIdentityMapAddress, &identityMap), "place its identity map");
        Enable(KvmCapability.UserSpaceMsr, EveryMsrReason);
        if (_device.ExitsOnEmulationFailure)
        {
            Enable(KvmCapability.ExitOnEmulationFailure, 1);
        }

        FilterMsrs();
    }

    private void Enable(KvmCapability capability, ulong argument)
    {
        KvmEnableCapability request = new() { Capability = (uint)capability };
        request.Arguments[0] = argument;
        Demand(HostCalls.Control(_descriptor, KvmRequest.EnableCapability, &request), $"enable {capability}");
    }

    /// <summary>KVM keeps the MSRs that instructions use; all others come to the common policy.</summary>
    private void FilterMsrs()
    {
        const int headerSize = 8;
        const int ranges = 16;

        // SAFETY: the header and sixteen ranges, as the request's size says; KVM copies the bitmaps before it returns.
        byte* filter = stackalloc byte[headerSize + (ranges * sizeof(KvmMsrFilterRange))];
        new Span<byte>(filter, headerSize + (ranges * sizeof(KvmMsrFilterRange))).Clear();
        byte allowed = 0xFF;
        *(uint*)filter = DenyByDefault;
        KvmMsrFilterRange* range = (KvmMsrFilterRange*)(filter + headerSize);
        foreach ((uint first, uint count, uint access) in NativeMsrs)
        {
            *range++ = new KvmMsrFilterRange { Flags = access, First = first, Count = count, Bitmap = &allowed };
        }

        Demand(HostCalls.Control(_descriptor, KvmRequest.SetMsrFilter, filter), "filter MSRs");
    }
}
