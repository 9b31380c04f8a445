namespace Strata.Core.State;

/// <summary>Saved state that cannot be loaded: the message says which unit, which field and why.</summary>
public sealed class StateException : Exception
{
    public StateException()
    {
    }

    public StateException(string message)
        : base(message)
    {
    }

    public StateException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
