namespace Strata.X86.Direct;

/// <summary>This host cannot run guest programs directly: the message says why, and the remedy.</summary>
public sealed class DirectUnavailableException : Exception
{
    public DirectUnavailableException()
    {
    }

    public DirectUnavailableException(string message)
        : base(message)
    {
    }

    public DirectUnavailableException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
