namespace Strata.Disks.Tests.Harness;

internal static class DisposableUse
{
    /// <summary>Uses something once and disposes it.</summary>
    public static TResult Use<T, TResult>(this T resource, Func<T, TResult> use)
        where T : IDisposable
    {
        using (resource)
        {
            return use(resource);
        }
    }
}
