namespace Strata;

/// <summary>What went wrong, for exit codes and for callers that react.</summary>
public enum StrataError
{
    /// <summary>A file, an option or an image that cannot be used.</summary>
    BadInput,

    /// <summary>The image is not in the cache and could not be fetched.</summary>
    ImageUnavailable,

    /// <summary>The host lacks something: a tool, memory, a permission.</summary>
    Host,

    /// <summary>Something in the guest failed or did not answer.</summary>
    Guest,
}

/// <summary>An error for the user: one sentence with cause and remedy.</summary>
public sealed class StrataException : Exception
{
    public StrataException(StrataError error, string message, Exception? inner = null)
        : base(message, inner) => Error = error;

    public StrataException(string message)
        : base(message)
    {
    }

    public StrataException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    public StrataException()
    {
    }

    public StrataError Error { get; }

    /// <summary>
    /// What a shell would end with where a command of the guest cannot be started: 127 if there is no such program, 126 for any other
    /// reason. Null for other errors.
    /// </summary>
    public int? CommandExitCode { get; init; }
}
