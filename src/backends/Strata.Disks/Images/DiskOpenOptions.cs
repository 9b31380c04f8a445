using Microsoft.Extensions.Logging;

namespace Strata.Disks.Images;

/// <summary>How an image is opened.</summary>
public sealed record DiskOpenOptions
{
    /// <summary>Longest chain of backing images, the first image not counted.</summary>
    public const int LongestChain = 64;

    /// <summary>Name of the format; null to conclude it from the content.</summary>
    public string? Format { get; init; }

    public bool ReadOnly { get; init; }

    /// <summary>Which backing images may be opened: an image from elsewhere could name any file of the host.</summary>
    public BackingAccess Backing { get; init; } = BackingAccess.SameFolder;

    /// <summary>Open even if the image says that it is corrupt, so that it can be checked and repaired.</summary>
    public bool ForRepair { get; init; }

    /// <summary>Receives what opening has to report, such as a repair; null for nobody.</summary>
    public ILogger? Log { get; init; }

    /// <summary>Real paths of the images that led here, the first one first.</summary>
    internal IReadOnlyList<string> Chain { get; init; } = [];
}

/// <summary>Which backing images are opened.</summary>
public enum BackingAccess
{
    /// <summary>Only those in the folder of the image that names them, or below it.</summary>
    SameFolder,

    /// <summary>Any file that the user may read. For images whose origin is trusted.</summary>
    Any,

    /// <summary>None: an image that needs one cannot be opened.</summary>
    None,

    /// <summary>None, but the image is opened: its own clusters and metadata can be used, other clusters cannot be read.</summary>
    Detached,
}
