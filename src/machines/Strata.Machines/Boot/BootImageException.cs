namespace Strata.Machines.Boot;

/// <summary>An image that cannot be booted. The message is one sentence for the user: cause and remedy.</summary>
public sealed class BootImageException : Exception
{
    public BootImageException(string message)
        : base(message)
    {
    }

    public BootImageException(string message, Exception inner)
        : base(message, inner)
    {
    }

    public BootImageException()
    {
    }
}
