namespace Strata.X86.Kvm.Tests;

/// <summary>A test that needs a usable /dev/kvm; without one it is skipped with the reason in its name's result.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class KvmFactAttribute : FactAttribute
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
