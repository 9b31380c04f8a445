using System.Text;
using Strata.Core.Bus;
using Strata.Core.Time;
using Strata.X86.Cpuid;
using Strata.X86.Paravirt;

namespace Strata.X86.Tests.Paravirt;

/// <summary>Linux kernel documentation, "KVM CPUID bits".</summary>
public sealed class CpuidTests
{
    [Fact]
    public void HypervisorLeaf_Offered_IsKvms() => Assert.Equal(("KVMKVMKVM\0\0\0", 0x4000_0010U), Identify(new CpuidPolicy()));

    [Fact]
    public void HypervisorLeaf_NotOffered_IsOurOwnAndTheOnlyOne()
    {
        CpuidPolicy policy = new() { Paravirtual = ParavirtFeatures.None };

        Assert.Equal(("StrataStrata", 0x4000_0000U), Identify(policy));
        Assert.Equal((default, default), (Query(policy, 0x4000_0001), Query(policy, 0x4000_0010)));
    }

    [Fact]
    public void FeatureLeaf_Offered_SaysWhat()
    {
        const uint clocks = (1 << 0) | (1 << 3) | (1 << 24);
        const uint interrupts = (1 << 6) | (1 << 7) | (1 << 11) | (1 << 15);
        const uint others = (1 << 1) | (1 << 5) | (1 << 13);

        Assert.Equal(new CpuidResult(clocks | interrupts | others, 0, 0, 0), Query(new CpuidPolicy(), 0x4000_0001));
    }

    [Fact]
    public void FeatureLeaf_Narrowed_KeepsWhatIsAllowed()
    {
        CpuidPolicy policy = new() { Allowed = CpuidFeatureSet.All with { Paravirtual = (uint)ParavirtFeatures.Clock } };

        Assert.Equal((uint)ParavirtFeatures.Clock, Query(policy, 0x4000_0001).Eax);
        Assert.Equal(["steal time"], new CpuidPolicy { Paravirtual = ParavirtFeatures.StealTime }.Features.Except(policy.Features));
    }

    [Fact]
    public void TimingLeaf_TellsKilohertzOfCounterAndApicTimer() =>
        Assert.Equal(new CpuidResult(2_394_437, 25_000, 0, 0), Query(new CpuidPolicy { TscFrequency = 2_394_437_000 }, 0x4000_0010));

    [Fact]
    public void TimingLeaf_OtherCrystal_TellsIt()
    {
        CpuidPolicy policy = new() { TscFrequency = 2_394_437_000, CrystalFrequency = 1_000_000_000 };

        Assert.Equal(1_000_000U, Query(policy, 0x4000_0010).Ebx);
    }

    private static CpuidResult Query(CpuidPolicy policy, uint leaf)
    {
        ManualClock clock = new();
        return new KvmHypercallInterface(0, policy, new AddressSpace(), null, new WallClock(clock, DateTime.UnixEpoch)).QueryCpuid(leaf);
    }

    private static (string Name, uint Last) Identify(CpuidPolicy policy)
    {
        CpuidResult result = Query(policy, 0x4000_0000);
        byte[] text = [.. BitConverter.GetBytes(result.Ebx), .. BitConverter.GetBytes(result.Ecx), .. BitConverter.GetBytes(result.Edx)];
        return (Encoding.ASCII.GetString(text), result.Eax);
    }
}
