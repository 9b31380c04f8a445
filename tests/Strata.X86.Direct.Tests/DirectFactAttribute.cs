using Strata.X86.Direct.Stub;
using Strata.Core.Memory;

namespace Strata.X86.Direct.Tests;

/// <summary>A test that needs a host which can run guest programs directly; skipped by name elsewhere.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class DirectFactAttribute : FactAttribute
{
    public DirectFactAttribute() => Skip = DirectHost.Obstacle;
}

/// <summary>The same for theories.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class DirectTheoryAttribute : TheoryAttribute
{
    public DirectTheoryAttribute() => Skip = DirectHost.Obstacle;
}

internal static class DirectHost
{
    /// <summary>Why this host cannot; found once, by starting a stub.</summary>
    public static string? Obstacle { get; } = Find();

    private static string? Find()
    {
        try
        {
            using GuestMemory ram = GuestMemory.CreateShared(1 << 20);
            using StubHost host = new(ram.File!);
            host.Start().Dispose();
            return null;
        }
        catch (DirectUnavailableException error)
        {
            return error.Message;
        }
    }
}
