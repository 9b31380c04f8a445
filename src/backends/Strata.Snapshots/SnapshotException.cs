namespace Strata.Snapshots;

/// <summary>A snapshot cannot be made, read or removed. The message is for the user: what, why, and what to do.</summary>
public sealed class SnapshotException : IOException
{
    public SnapshotException()
    {
    }

    public SnapshotException(string message)
        : base(message)
    {
    }

    public SnapshotException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
