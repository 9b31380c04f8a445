using Microsoft.Extensions.Logging;
using Strata.Cli.Snapshots;
using Strata.Screens;

namespace Strata.Cli;

/// <summary>What `strata run` was asked to do.</summary>
internal sealed record RunOptions
{
    /// <summary>The machine, as far as it was said: an image's files are not in it yet.</summary>
    public required MachineSpec Spec { get; init; }

    /// <summary>The snapshot to go on from; null for a machine that starts.</summary>
    public RestoredRun? Restore { get; init; }

    /// <summary>A line for the guest's shell; the machine ends with it. Null for a machine with its console on the terminal.</summary>
    public string? Exec { get; init; }

    /// <summary>Where the first serial port leads: "stdio", "none" or "file:PATH".</summary>
    public string Serial { get; init; } = "stdio";

    /// <summary>How the screen is seen.</summary>
    public DisplaySpec Display { get; init; } = DisplaySpec.None;

    /// <summary>File for the translation trace, or null.</summary>
    public string? Trace { get; init; }

    /// <summary>How long a guest that SIGTERM asked to shut down may take.</summary>
    public TimeSpan StopPatience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Receives what the machine has to report.</summary>
    public ILoggerFactory? Loggers { get; init; }

    /// <summary>Print figures about the run at its end.</summary>
    public bool Statistics { get; init; }
}
