using Microsoft.Extensions.Logging;
using Strata.Core.Execution;
using Strata.Machines.Boards;
using Strata.Snapshots.Code;
using Strata.Snapshots.Memory;
using Strata.Snapshots.Sets;

namespace Strata.Snapshots;

/// <summary>
/// Saving of what engines have made of the guest's code, beside the saving of memory. A snapshot is complete without it: where it fails,
/// that is logged, and the snapshot has none.
/// </summary>
internal sealed partial class CodeSaving : IDisposable
{
    private readonly KeptCodeWriter _writer;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _end = new();
    private readonly Task _collected;

    private CodeSaving(KeptCodeWriter writer, IReadOnlyList<ICodeCapture> captures, ILogger log)
    {
        _writer = writer;
        _log = log;
        _collected = Task.Run(() => writer.Collect(captures, _end.Token));
    }

    /// <summary>Begins, while the machine stands still; it may go on.</summary>
    /// <returns>Null if there is nothing to save.</returns>
    public static CodeSaving? Begin(PcBoard board, SnapshotDraft draft, ILogger log)
    {
        if (board.CaptureCode() is not { } code)
        {
            return null;
        }

        try
        {
            return new CodeSaving(draft.KeepCode(code.Identity, CodeKey.Get()), code.Captures, log);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or StrataException)
        {
            LogNotKept(log, draft.Name, error.Message);
            return null;
        }
    }

    /// <summary>Completes the file.</summary>
    /// <param name="memory">What memory held at that moment.</param>
    public async Task FinishAsync(string snapshot, MemoryImage memory)
    {
        try
        {
            await _collected.ConfigureAwait(false);
            _writer.Complete(memory);
        }
        catch (IOException error)
        {
            LogNotKept(_log, snapshot, error.Message);
        }
        finally
        {
            _writer.Dispose();
        }
    }

    /// <summary>Gives up what is under way.</summary>
    public void Dispose()
    {
        _end.Cancel();
        ((IAsyncResult)_collected).AsyncWaitHandle.WaitOne(); // its outcome has been taken, or does not matter any more
        _writer.Dispose();
        _end.Dispose();
    }

    [LoggerMessage(331, LogLevel.Warning, "The snapshot {Name} is made without the translated code: {Reason}")]
    private static partial void LogNotKept(ILogger logger, string name, string reason);
}
