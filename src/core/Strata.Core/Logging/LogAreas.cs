namespace Strata.Core.Logging;

/// <summary>The areas that a machine reports by: the categories of its loggers.</summary>
public static class LogAreas
{
    /// <summary>Virtio devices: queues that break, requests that fail.</summary>
    public const string Virtio = "Strata.Virtio";

    /// <summary>Disk images: repairs, logs that were replayed.</summary>
    public const string Disks = "Strata.Disks";

    /// <summary>Networks and captures.</summary>
    public const string Network = "Strata.Network";

    /// <summary>A machine's start and end.</summary>
    public const string Machine = "Strata.Machine";

    /// <summary>Which engine runs it.</summary>
    public const string Engine = "Strata.Engine";

    /// <summary>Other processes that ask a machine.</summary>
    public const string Control = "Strata.Control";

    /// <summary>The agent in the guest.</summary>
    public const string Agent = "Strata.Agent";

    /// <summary>What firmware in the machine says while it starts.</summary>
    public const string Firmware = "Strata.Firmware";

    /// <summary>Those who look at the screen.</summary>
    public const string Display = "Strata.Display";
}
