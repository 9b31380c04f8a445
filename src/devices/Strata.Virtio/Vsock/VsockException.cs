namespace Strata.Virtio.Vsock;

/// <summary>A connection to the guest that could not be made or was broken.</summary>
public sealed class VsockException : IOException
{
    public VsockException(string message, bool isRefused = false)
        : base(message) => IsRefused = isRefused;

    public VsockException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    public VsockException()
    {
    }

    /// <summary>Nothing listens on the port.</summary>
    public bool IsRefused { get; }
}
