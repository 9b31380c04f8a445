namespace Strata.Disks.Images;

/// <summary>An image cannot be opened, read or created. The message names the file, the cause and the remedy, for the user.</summary>
public sealed class DiskImageException : IOException
{
    public DiskImageException(string message)
        : base(message)
    {
    }

    public DiskImageException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    public DiskImageException()
    {
    }

    /// <summary>Somebody else, another process or this one, has the image open.</summary>
    public bool IsInUse { get; init; }
}
