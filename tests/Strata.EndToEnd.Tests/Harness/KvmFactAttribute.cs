using Strata.X86.Kvm;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>A test that needs a usable /dev/kvm; without one it is skipped with the reason in its name's result.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class KvmFactAttribute : FactAttribute
{
    public KvmFactAttribute()
    {
        try
        {
            KvmDevice.Open().Dispose();
        }
        catch (KvmUnavailableException error)
        {
            Skip = error.Message;
        }
    }
}
