namespace Strata.Cli;

/// <summary>What `strata run` was asked to do.</summary>
internal sealed record RunOptions
{
    public string? Image { get; init; }

    public string? Kernel { get; init; }

    public string? Initrd { get; init; }

    public string? Append { get; init; }

    public ulong Memory { get; init; } = 512UL << 20;

    public int Processors { get; init; } = 1;

    public IReadOnlyList<string> Disks { get; init; } = [];
}
