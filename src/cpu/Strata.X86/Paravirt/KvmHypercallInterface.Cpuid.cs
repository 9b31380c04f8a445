using System.Text;
using Strata.X86.Cpuid;

namespace Strata.X86.Paravirt;

/// <summary>What CPUID says of the interface. Linux kernel documentation, "KVM CPUID bits".</summary>
public sealed partial class KvmHypercallInterface
{
    private const uint SignatureLeaf = 0x4000_0000;
    private const uint FeaturesLeaf = 0x4000_0001;
    private const uint RatesLeaf = 0x4000_0010; // kHz of TSC and APIC timer

    private static readonly byte[] Kvm = Encoding.ASCII.GetBytes("KVMKVMKVM\0\0\0");
    private static readonly byte[] Strata = Encoding.ASCII.GetBytes("StrataStrata");

    public CpuidResult QueryCpuid(uint leaf) => leaf switch
    {
        SignatureLeaf when _features == ParavirtFeatures.None => Signature(SignatureLeaf, Strata),
        SignatureLeaf => Signature(RatesLeaf, Kvm),
        FeaturesLeaf => new CpuidResult((uint)_features, 0, 0, 0),
        RatesLeaf when _features != ParavirtFeatures.None =>
            new CpuidResult((uint)(_tscFrequency / 1000), _crystalFrequency / 1000, 0, 0),
        _ => default,
    };

    private static CpuidResult Signature(uint last, byte[] name) =>
        new(last, BitConverter.ToUInt32(name, 0), BitConverter.ToUInt32(name, 4), BitConverter.ToUInt32(name, 8));
}
