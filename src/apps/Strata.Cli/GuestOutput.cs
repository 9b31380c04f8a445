namespace Strata.Cli;

/// <summary>
/// Where a guest's console or a command's output goes. Neither ends at once because it cannot be written: that is said at the end. Written
/// to by one thread at a time.
/// </summary>
/// <param name="name">What it is, for the user.</param>
internal sealed class GuestOutput(Stream target, string name = "The guest's console output") : IDisposable
{
    private readonly TaskCompletionSource _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile string? _failure;
    private volatile bool _isLost;

    /// <summary>Why output was lost, for the user; null if nothing was, or if whoever read it went away.</summary>
    public string? Failure => _failure;

    /// <summary>Completes when output cannot be written, or nobody reads it any more.</summary>
    public Task Lost => _lost.Task;

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
            _failure = error is OutputLostException { IsUnread: true } ? null : $"{name} is incomplete: {error.Message}";
            _isLost = true;
            _lost.SetResult();
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
