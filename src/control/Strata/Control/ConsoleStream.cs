using System.Text;
using Strata.Core.Streams;

namespace Strata.Control;

/// <summary>The console of a machine of this process as a stream: what it prints is read, what is written is typed.</summary>
internal sealed class ConsoleStream(VirtualMachine machine) : DuplexStream
{
    /// <summary>Bytes printed before: about two screens.</summary>
    private const int History = 4096;

    private readonly ConsoleObserver _observer = machine.Console.Observe(History);
    private readonly Task _end = machine.WaitForExitAsync(CancellationToken.None);
    private ReadOnlyMemory<byte> _notice;

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }

        if (_notice.IsEmpty)
        {
            (int count, long lost) = await ReadConsoleAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (lost == 0)
            {
                return count;
            }

            byte[] notice = [
                .. Encoding.ASCII.GetBytes($"\r\n[strata: {lost} bytes were printed faster than they were read]\r\n"),
                .. buffer[..count].Span];
            _notice = notice;
        }

        int taken = Math.Min(buffer.Length, _notice.Length);
        _notice[..taken].CopyTo(buffer);
        _notice = _notice[taken..];
        return taken;
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        await machine.Console.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _observer.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <returns>No bytes when the machine has ended and everything was read.</returns>
    private async Task<(int Count, long Lost)> ReadConsoleAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<(int Count, long Lost)> reading = _observer.ReadAsync(buffer, over.Token).AsTask();
        if (await Task.WhenAny(reading, _end).ConfigureAwait(false) == _end)
        {
            await over.CancelAsync().ConfigureAwait(false);
        }

        try
        {
            return await reading.ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_end.IsCompleted && !cancellationToken.IsCancellationRequested)
        {
            return await ReadRestAsync(buffer).ConfigureAwait(false);
        }
    }

    /// <summary>What was printed between the last look and the end.</summary>
    private async Task<(int Count, long Lost)> ReadRestAsync(Memory<byte> buffer)
    {
        try
        {
            return await _observer.ReadAsync(buffer, new CancellationToken(canceled: true)).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return (0, 0);
        }
    }
}
