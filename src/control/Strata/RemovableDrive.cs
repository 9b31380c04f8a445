namespace Strata;

/// <summary>A drive whose medium is changed while the machine runs, as it is now.</summary>
public sealed record RemovableDrive
{
    /// <summary>What it is called: cd0, cd1 … for CD drives, fd0 and fd1 for floppy drives.</summary>
    public required string Name { get; init; }

    /// <summary>Path of the image in it; null for an empty drive.</summary>
    public string? Medium { get; init; }

    /// <summary>The guest has put the tray out, with the medium if there is one.</summary>
    public bool IsOpen { get; init; }

    /// <summary>The guest keeps the medium in, such as while it is mounted.</summary>
    public bool IsLocked { get; init; }
}
