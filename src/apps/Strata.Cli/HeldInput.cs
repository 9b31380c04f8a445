namespace Strata.Cli;

/// <summary>
/// What goes to a guest's console. From a pipe or file it comes before anything in the guest reads it, and what starts there may throw
/// it away: then it waits here until a program reads.
/// </summary>
internal sealed class HeldInput
{
    /// <summary>Bytes; whoever brings more waits.</summary>
    private const int Capacity = 64 << 10;

    private readonly Func<ReadOnlyMemory<byte>, Task> _type;
    private readonly Lock _gate = new();
    private readonly List<byte> _held = []; // under _gate
    private bool _isReleased; // under _gate

    /// <param name="type">Types into the guest, waiting while its input is full.</param>
    /// <param name="reader">Completes when a program in the guest reads, or cannot be waited for.</param>
    public HeldInput(Func<ReadOnlyMemory<byte>, Task> type, Task reader)
    {
        _type = type;
        Released = ReleaseAsync(reader);
    }

    /// <summary>Completes when nothing is held any more.</summary>
    public Task Released { get; }

    /// <summary>By one thread.</summary>
    public async Task TypeAsync(byte[] bytes)
    {
        bool isFull;
        lock (_gate)
        {
            if (!_isReleased)
            {
                _held.AddRange(bytes);
                bytes = [];
            }

            isFull = _held.Count > Capacity;
        }

        if (isFull || bytes.Length > 0)
        {
            await Released.ConfigureAwait(false);
            await _type(bytes).ConfigureAwait(false);
        }
    }

    private async Task ReleaseAsync(Task reader)
    {
        await reader.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (true)
        {
            byte[] bytes;
            lock (_gate)
            {
                bytes = [.. _held];
                _held.Clear();
                _isReleased = bytes.Length == 0;
            }

            if (bytes.Length == 0)
            {
                return;
            }

            await _type(bytes).ConfigureAwait(false);
        }
    }
}
