using System.Runtime.InteropServices;
using Strata.X86.Cpuid;
using Strata.X86.Kvm.Interface;
using Strata.X86.Paravirt;
using Strata.X86.Registers;

namespace Strata.X86.Kvm;

/// <summary>
/// /dev/kvm, opened and checked: its interface is new enough, and what processor it can give to guests is known.
/// Immutable after <see cref="Open"/>; any thread.
/// </summary>
public sealed unsafe partial class KvmDevice : IDisposable
{
    public const string DefaultPath = "/dev/kvm";

    private const int ApiVersion = 12;
    private const int MostCpuidEntries = 256;
    private const int MostMsrs = 4096;

    /// <summary>
    /// Provided by the monitor whatever KVM says: x2APIC, TSC deadline, hypervisor; APIC; TSC_ADJUST; ARCH_CAPABILITIES; paravirtual
    /// records.
    /// </summary>
    private static readonly CpuidFeatureSet Emulated = new(
        (1 << 21) | (1 << 24) | (1u << 31), 1 << 9, 1 << 1, 0, 1 << 29, 0, 0, (uint)ParavirtFeatures.WithoutHypercalls);

    /// <summary>The interface of the last seven years, and what of it is needed.</summary>
    private static readonly (KvmCapability Capability, string Since)[] Needed =
    [
        (KvmCapability.UserMemory, "2.6.25"), (KvmCapability.VcpuEvents, "2.6.33"), (KvmCapability.DebugRegisters, "2.6.34"),
        (KvmCapability.Xsave, "2.6.36"), (KvmCapability.Xcrs, "2.6.36"), (KvmCapability.GetTscKhz, "2.6.39"),
        (KvmCapability.ReadOnlyMemory, "3.7"),
        (KvmCapability.ImmediateExit, "4.11"), (KvmCapability.UserSpaceMsr, "5.10"), (KvmCapability.MsrFilter, "5.10"),
        (KvmCapability.SystemRegisters2, "5.14"),
    ];

    private readonly int _descriptor;
    private readonly HashSet<uint> _msrs = [];

    private KvmDevice(int descriptor) => _descriptor = descriptor;

    /// <summary>Features that a guest can have.</summary>
    public CpuidFeatureSet Features { get; private set; }

    /// <summary>Width of guest-physical addresses, in bits.</summary>
    public int PhysicalAddressBits { get; private set; }

    /// <summary>What the host says of attacks on speculation (IA32_ARCH_CAPABILITIES).</summary>
    public ulong ArchCapabilities { get; private set; }

    /// <summary>Most processors of one machine.</summary>
    public int MostProcessors { get; private set; }

    internal bool ExitsOnEmulationFailure { get; private set; }

    internal bool EnforcesParavirtualCpuid { get; private set; }

    internal int RunPageSize { get; private set; }

    internal int Descriptor => _descriptor;

    /// <summary>Whether the device can be opened at all, at the price of two system calls.</summary>
    /// <param name="reason">Otherwise a sentence with cause and remedy.</param>
    public static bool CanOpen(out string reason, string path = DefaultPath)
    {
        int descriptor = OperatingSystem.IsLinux() ? HostCalls.Open(path, HostCalls.OpenReadWrite | HostCalls.OpenCloseOnExec) : -1;
        reason = descriptor >= 0 ? string.Empty : ExplainOpen(path, Marshal.GetLastPInvokeError());
        return descriptor >= 0 && HostCalls.Close(descriptor) == 0;
    }

    /// <summary>Opens the device.</summary>
    /// <exception cref="KvmUnavailableException">There is none, it must not be opened, or it is too old.</exception>
    public static KvmDevice Open(string path = DefaultPath)
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            throw new KvmUnavailableException("KVM needs an x86-64 Linux host; use --engine interpreter here.");
        }

        int descriptor = HostCalls.Open(path, HostCalls.OpenReadWrite | HostCalls.OpenCloseOnExec);
        if (descriptor < 0)
        {
            throw new KvmUnavailableException(ExplainOpen(path, Marshal.GetLastPInvokeError()));
        }

        KvmDevice device = new(descriptor);
        try
        {
            device.Check(path);
            device.ReadFeatures();
            return device;
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <summary>Narrows what a machine offers to its guest to what this KVM can run too.</summary>
    public CpuidPolicy Adapt(CpuidPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        return policy with
        {
            Allowed = policy.Allowed.Intersect(Features),
            ArchCapabilities = policy.ArchCapabilities & ArchCapabilities,
            TscFrequency = ScalesTsc ? policy.TscFrequency : TscKhz * 1000UL,
        };
    }

    /// <summary>Checks that this KVM can run what a machine offers to its guest.</summary>
    /// <exception cref="KvmUnavailableException">It cannot; the message names what is lacking.</exception>
    public void Require(CpuidPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        const string remedy = "start the machine with --engine kvm or --portable-cpu, or use another engine";
        IReadOnlyList<string> missing = policy.Features.Except(Features);
        if (missing.Count > 0)
        {
            throw new KvmUnavailableException(
                $"This host's KVM lacks {string.Join(", ", missing)}, which the machine offers to its guest; {remedy}.");
        }

        if (!ScalesTsc && policy.TscFrequency / 1000 != TscKhz)
        {
            throw new KvmUnavailableException(
                $"The guest's time-stamp counter runs at {policy.TscFrequency / 1000} kHz, and this host's KVM offers {TscKhz} kHz only; " +
                $"{remedy}.");
        }

        if (policy.ProcessorCount > MostProcessors)
        {
            throw new KvmUnavailableException(
                $"This host's KVM gives a machine {MostProcessors} processors, not {policy.ProcessorCount}; start it with fewer.");
        }
    }

    public void Dispose() => _ = HostCalls.Close(_descriptor);

    /// <summary>Whether the MSR can be read and written from outside.</summary>
    internal bool HasMsr(uint index) => _msrs.Contains(index);

    private static string ExplainOpen(string path, int error) => error switch
    {
        HostCalls.NotFound =>
            $"There is no {path}: the host's kernel has no KVM or the CPU no virtualization enabled; load kvm_intel or kvm_amd (in a " +
            $"container, pass the device), or use --engine translator.",
        HostCalls.AccessDenied or HostCalls.NotPermitted =>
            $"{path} may not be opened by this user: join its group (`sudo usermod -aG kvm $USER`, then log in again), or use --engine " +
            $"translator.",
        HostCalls.NoDevice or HostCalls.NoSuchDevice =>
            $"{path} exists without a driver behind it: load kvm_intel or kvm_amd, or use --engine translator.",
        HostCalls.Busy => $"{path} is in use by another hypervisor: stop it, or use --engine translator.",
        HostCalls.TooManyFiles => $"{path} cannot be opened as too many files are open: raise `ulimit -n`.",
        _ => $"{path} cannot be opened (errno {error}): use --engine translator.",
    };

    private void Check(string path)
    {
        int version = HostCalls.Control(_descriptor, KvmRequest.GetApiVersion, 0);
        if (version != ApiVersion)
        {
            string found = version < 0 ? "is no KVM device" : $"speaks version {version} of KVM's interface";
            throw new KvmUnavailableException(
                $"{path} {found}, and version {ApiVersion} is needed: update the host's kernel, or use --engine translator.");
        }

        foreach ((KvmCapability capability, string since) in Needed)
        {
            if (Ask(capability) <= 0)
            {
                throw new KvmUnavailableException(
                    $"The host's KVM lacks {capability}, which Linux has since {since}: update the host's kernel, or use --engine " +
                    $"translator.");
            }
        }

        ExitsOnEmulationFailure = Ask(KvmCapability.ExitOnEmulationFailure) > 0;
        EnforcesParavirtualCpuid = Ask(KvmCapability.EnforceParavirtualCpuid) > 0;
        ScalesTsc = Ask(KvmCapability.TscControl) > 0;
        MostProcessors = Math.Max(1, Ask(KvmCapability.MaxVcpus));
        RunPageSize = HostCalls.Control(_descriptor, KvmRequest.GetVcpuMmapSize, 0);
        if (RunPageSize < sizeof(KvmRunPage))
        {
            throw new KvmUnavailableException($"{path} offers a run page of {RunPageSize} bytes, too few: use --engine translator.");
        }
    }

    private int Ask(KvmCapability capability) => HostCalls.Control(_descriptor, KvmRequest.CheckExtension, (nint)capability);

    private void ReadFeatures()
    {
        byte[] buffer = new byte[8 + (MostCpuidEntries * sizeof(KvmCpuidEntry))];
        uint l1c = 0, l1d = 0, l7b = 0, l7c = 0, l7d = 0, ec = 0, ed = 0;

        // SAFETY: the buffer holds the count and as many entries as it says.
        fixed (byte* start = buffer)
        {
            *(uint*)start = MostCpuidEntries;
            Demand(HostCalls.Control(_descriptor, KvmRequest.GetSupportedCpuid, start), "tell its CPUID");
            ReadOnlySpan<KvmCpuidEntry> entries = new(start + 8, (int)Math.Min(*(uint*)start, MostCpuidEntries));
            foreach (KvmCpuidEntry entry in entries)
            {
                switch (entry.Leaf)
                {
                    case 1:
                        (l1c, l1d) = (entry.Ecx, entry.Edx);
                        break;
                    case 7 when entry.Subleaf == 0:
                        (l7b, l7c, l7d) = (entry.Ebx, entry.Ecx, entry.Edx);
                        break;
                    case 0x8000_0001:
                        (ec, ed) = (entry.Ecx, entry.Edx);
                        break;
                    case 0x8000_0008:
                        PhysicalAddressBits = (int)(entry.Eax & 0xFF);
                        break;
                }
            }
        }

        Features = new CpuidFeatureSet(
            l1c
                | Emulated.Leaf1Ecx, l1d
                | Emulated.Leaf1Edx, l7b
                | Emulated.Leaf7Ebx, l7c, l7d
                | Emulated.Leaf7Edx, ec, ed, Emulated.Paravirtual);
        ReadMsrs();
        ReadArchCapabilities();
        ExamineTsc();
    }

    private void ReadMsrs()
    {
        uint[] list = new uint[1 + MostMsrs];
        list[0] = MostMsrs;

        // SAFETY: the array holds the count and as many numbers as it says.
        fixed (uint* start = list)
        {
            Demand(HostCalls.Control(_descriptor, KvmRequest.GetMsrIndexList, start), "list its MSRs");
        }

        _msrs.UnionWith(list.Skip(1).Take((int)Math.Min(list[0], MostMsrs)));
    }

    private void ReadArchCapabilities()
    {
        // SAFETY: a count of one and one entry.
        byte* buffer = stackalloc byte[8 + sizeof(KvmMsrEntry)];
        *(ulong*)buffer = 1;
        *(KvmMsrEntry*)(buffer + 8) = new KvmMsrEntry { Index = Msr.IA32_ARCH_CAPABILITIES };
        ArchCapabilities = HostCalls.Control(_descriptor, KvmRequest.GetMsrs, buffer) == 1 ? ((KvmMsrEntry*)(buffer + 8))->Data : 0;
    }

    private static void Demand(int result, string what)
    {
        if (result < 0)
        {
            throw new KvmUnavailableException(
                $"The host's KVM failed to {what} (errno {Marshal.GetLastPInvokeError()}): use --engine translator.");
        }
    }
}
