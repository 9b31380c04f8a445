namespace Strata.X86.Kvm.ArchitectureTests;

/// <summary>Says by name where the architecture tests are when they are not built in.</summary>
public sealed class ArchitectureOnKvmTests
{
#if KVM_IS_FIT
    [Kvm.Tests.KvmFact]
    public void SelfTest_OnThisHost_FindsNoDefect()
    {
        using KvmDevice device = KvmDevice.Open();

        Assert.Null(KvmSelfTest.FindDefect(device));
    }
#else
    [Fact(Skip = "The architecture tests run on KVM on request, on a host whose KVM `strata probe` calls sound: dotnet test -p:KvmIsFit=true")]
    public void ArchitectureTests_OnKvm_AreNotBuiltIn()
    {
    }
#endif
}
