namespace Strata.Snapshots;

/// <summary>What clones are like.</summary>
public sealed record ForkOptions
{
    /// <summary>What others call them, as many as there are clones; null for NAME-1, NAME-2 …</summary>
    public IReadOnlyList<string>? Names { get; init; }

    /// <summary>What else is to be so of each; its identity and name do not count.</summary>
    public RestoreOptions Each { get; init; } = new();

    /// <summary>
    /// What each is connected to in this process, by its place from 0; null for the switches of this process that the machine is plugged
    /// into and whoever hears its reports, and nothing else.
    /// </summary>
    public Func<int, MachineAttachments>? Attachments { get; init; }
}
