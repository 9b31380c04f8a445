using Strata.Machines.Engines;

namespace Strata.Engines;

/// <summary>What one engine achieved on this host.</summary>
public sealed record EngineMeasurement
{
    public required Engine Engine { get; init; }

    /// <summary>Why it cannot run here, with the remedy; null if it can.</summary>
    public string? Unavailable { get; init; }

    /// <summary>What the engine does wrong on this host; null if nothing was found. Such an engine is never chosen.</summary>
    public string? Defect { get; init; }

    /// <summary>A loop with a load and a store in kernel mode: million instructions a second.</summary>
    public double KernelMips { get; init; }

    /// <summary>The same in user mode.</summary>
    public double UserMips { get; init; }

    /// <summary>One write to an I/O port: microseconds.</summary>
    public double ExitMicroseconds { get; init; }

    /// <summary>One page fault in user mode with a handler that returns at once: microseconds.</summary>
    public double FaultMicroseconds { get; init; }

    /// <summary>An estimate from what is usual.</summary>
    internal static EngineMeasurement Of(Engine engine, EngineSpeed speed) => new()
    {
        Engine = engine,
        KernelMips = speed.KernelMips,
        UserMips = speed.UserMips,
        ExitMicroseconds = speed.ExitMicroseconds,
        FaultMicroseconds = speed.FaultMicroseconds,
    };

    /// <summary>
    /// Seconds that a mix would take: 0.4 billion kernel and 0.6 billion user instructions, 20,000 exits and 150,000 page faults, about
    /// what an operating system's start consists of. The smaller the better.
    /// </summary>
    public double MixSeconds => Unavailable is not null || Defect is not null || UserMips <= 0
        ? double.PositiveInfinity
        : (400 / KernelMips) + (600 / UserMips) + (20_000 * ExitMicroseconds / 1e6) + (150_000 * FaultMicroseconds / 1e6);
}
