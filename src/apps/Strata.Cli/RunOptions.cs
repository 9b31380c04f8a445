using Strata.Images;

namespace Strata.Cli;

/// <summary>What `strata run` was asked to do.</summary>
internal sealed record RunOptions
{
    public string? Image { get; init; }

    /// <summary>What other commands call the machine; null for a name made from what it runs.</summary>
    public string? Name { get; init; }

    /// <summary>What an image's system is told when it starts.</summary>
    public GuestSetup Setup { get; init; } = GuestSetup.Default;

    /// <summary>Name or folder of a machine whose disk stays, or null.</summary>
    public string? Keep { get; init; }

    public string? Kernel { get; init; }

    public string? Initrd { get; init; }

    public IReadOnlyList<ModuleFile> Modules { get; init; } = [];

    public string? Append { get; init; }

    public ulong Memory { get; init; } = 512UL << 20;

    public int Processors { get; init; } = 1;

    public Engine Engine { get; init; }

    /// <summary>Offer only what every engine can run.</summary>
    public bool PortableCpu { get; init; }

    /// <summary>Offer what guests that were built for KVM know.</summary>
    public bool Paravirtual { get; init; } = true;

    /// <summary>Use a KVM that is known to execute something wrongly.</summary>
    public bool AcceptsDefectiveKvm { get; init; }

    /// <summary>The device that the terminal is connected to.</summary>
    public ConsoleDevice Console { get; init; }

    /// <summary>Where the first serial port leads: "stdio", "none" or "file:PATH".</summary>
    public string Serial { get; init; } = "stdio";

    /// <summary>File for the translation trace, or null.</summary>
    public string? Trace { get; init; }

    public bool PerfMap { get; init; }

    /// <summary>Print figures about the run at its end.</summary>
    public bool Statistics { get; init; }

    public IReadOnlyList<DiskSpec> Disks { get; init; } = [];

    public IReadOnlyList<NetworkCard> Networks { get; init; } = [];

    /// <summary>A line for the guest's shell; the machine ends with it. Null for a machine with its console on the terminal.</summary>
    public string? Exec { get; init; }

    public bool Balloon { get; init; }

    public IReadOnlyList<FolderShare> Shares { get; init; } = [];
}
