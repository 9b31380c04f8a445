namespace Strata.X86.Kvm.ArchitectureTests;

/// <summary>What the architecture tests beside it presuppose of this host.</summary>
public sealed class ArchitectureOnKvmTests
{
    [Kvm.Tests.KvmFact]
    public void SelfTest_OnThisHost_FindsNoDefect()
    {
        using KvmDevice device = KvmDevice.Open();

        Assert.Null(KvmSelfTest.FindDefect(device));
    }
}
