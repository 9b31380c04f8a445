using Strata.X86.Kvm;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>A test that needs a /dev/kvm without known defects; elsewhere it is skipped with the reason.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class FitKvmFactAttribute : FactAttribute
{
    public FitKvmFactAttribute()
    {
        try
        {
            using KvmDevice device = KvmDevice.Open();
            Skip = KvmSelfTest.FindDefect(device) is { } defect ? $"This host's KVM is defective: {defect}." : null;
        }
        catch (KvmUnavailableException error)
        {
            Skip = error.Message;
        }
    }
}
