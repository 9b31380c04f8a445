namespace Strata.Snapshots;

/// <summary>How a machine comes back from a snapshot.</summary>
public sealed record RestoreOptions
{
    /// <summary>Whether it is the machine that was saved, or another one that begins where that was.</summary>
    public MachineIdentity Identity { get; init; } = MachineIdentity.Same;

    /// <summary>What others call it; null for the name in its specification.</summary>
    public string? Name { get; init; }

    /// <summary>The engine that goes on; null for what the specification says.</summary>
    public Engine? Engine { get; init; }
}

/// <summary>Who a restored machine is.</summary>
public enum MachineIdentity
{
    /// <summary>
    /// The machine that was saved. What its disks' files hold is put back to what they held. The one that was saved should not run any
    /// more.
    /// </summary>
    Same,

    /// <summary>A clone: it writes to overlays of its own, and the saved machine may go on beside it.</summary>
    New,
}
