using Strata.X86.Cpuid;
using Strata.X86.Execution;
using Strata.X86.Kvm.Interface;
using Strata.X86.Registers;

namespace Strata.X86.Kvm;

/// <summary>Gives KVM the answers that the processor gives on every engine; KVM itself keeps OSXSAVE and the APIC bit up to date.</summary>
internal static unsafe class KvmCpuid
{
    private const uint HypervisorBase = 0x4000_0000;
    private const uint ExtendedBase = 0x8000_0000;
    private const uint MostSubleaves = 8;

    public static void Apply(KvmVcpu vcpu, X86Cpu cpu)
    {
        List<KvmCpuidEntry> entries = [];
        X86CpuState state = X86CpuState.AtReset();
        AddRange(entries, cpu, state, 0);
        AddRange(entries, cpu, state, HypervisorBase);
        AddRange(entries, cpu, state, ExtendedBase);

        // SAFETY: struct kvm_cpuid2: the count, padding, entries.
        byte[] buffer = new byte[8 + (entries.Count * sizeof(KvmCpuidEntry))];
        fixed (byte* start = buffer)
        {
            *(uint*)start = (uint)entries.Count;
            entries.CopyTo(new Span<KvmCpuidEntry>(start + 8, entries.Count));
            vcpu.Call(KvmRequest.SetCpuid, start, "take its CPUID");
        }
    }

    private static void AddRange(List<KvmCpuidEntry> entries, X86Cpu cpu, in X86CpuState state, uint first)
    {
        uint last = cpu.QueryCpuid(first, 0, state, apicEnabled: true).Eax;
        for (uint leaf = first; leaf <= last && leaf - first < 0x100; leaf++)
        {
            bool hasSubleaves = leaf is 0x4 or 0x7 or 0xB or 0xD;
            for (uint subleaf = 0; subleaf < (hasSubleaves ? MostSubleaves : 1); subleaf++)
            {
                CpuidResult result = cpu.QueryCpuid(leaf, subleaf, state, apicEnabled: true);
                entries.Add(new KvmCpuidEntry
                {
                    Leaf = leaf,
                    Subleaf = subleaf,
                    Flags = hasSubleaves ? KvmCpuidEntry.SubleafMatters : 0,
                    Eax = result.Eax,
                    Ebx = result.Ebx,
                    Ecx = result.Ecx,
                    Edx = result.Edx,
                });
            }
        }
    }
}
