namespace Strata.Cli;

/// <summary>
/// Where a guest's console goes. A machine does not end because its output cannot be written: that is said when it ends. Written to by one
/// thread at a time.
/// </summary>
internal sealed class GuestOutput(Stream target) : IDisposable
{
    private volatile string? _failure;
    private volatile bool _isLost;

    /// <summary>Why output was lost, for the user; null if nothing was, or if whoever read it went away.</summary>
    public string? Failure => _failure;

    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (_isLost)
        {
            return; // all of what comes behind a gap, so that nobody takes it for the whole
        }

        try
        {
            target.Write(bytes);
            target.Flush();
        }
        catch (Exception error) when (error is IOException or ArgumentOutOfRangeException) // the second: no larger file is possible (EFBIG)
        {
            _failure = error is OutputLostException { IsUnread: true } ? null : $"The guest's console output is incomplete: {error.Message}";
            _isLost = true;
        }
    }

    public void Dispose()
    {
        try
        {
            target.Dispose();
        }
        catch (Exception error) when (_isLost && (error is IOException or ArgumentOutOfRangeException))
        {
            // What could not be written before cannot be now.
        }
    }
}
