namespace Strata.X86.Kvm.Tests;

/// <summary>A parametrized test that needs a usable /dev/kvm; without one it is skipped with the reason in its name's result.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class KvmTheoryAttribute : TheoryAttribute
{
    public KvmTheoryAttribute()
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
