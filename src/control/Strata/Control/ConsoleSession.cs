using System.Text;

namespace Strata.Control;

/// <summary>Another process at a machine's console: it sees what the guest prints and types, as others may at the same time.</summary>
internal sealed class ConsoleSession(VirtualMachine machine, ControlStream client)
{
    /// <summary>Bytes printed before: about two screens.</summary>
    private const int History = 4096;

    /// <summary>For a client that does not read any more when the machine has ended.</summary>
    private static readonly TimeSpan LastPatience = TimeSpan.FromSeconds(2);

    /// <summary>Serves until the client leaves, which it may do by ending its side, or the machine ends.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using ConsoleObserver observer = machine.Console.Observe(History);
        using CancellationTokenSource left = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task typing = TypeAsync(left);
        try
        {
            await ShowAsync(observer, left.Token).ConfigureAwait(false);
        }
        finally
        {
            await left.CancelAsync().ConfigureAwait(false);
            await typing.ConfigureAwait(false);
        }
    }

    private async Task TypeAsync(CancellationTokenSource left)
    {
        byte[] buffer = new byte[ControlFrame.LargestData];
        try
        {
            int count;
            while ((count = await client.ReadAsync(buffer, left.Token).ConfigureAwait(false)) > 0)
            {
                await machine.Console.WriteAsync(buffer.AsMemory(0, count), left.Token).ConfigureAwait(false);
            }
        }
        catch (Exception error) when (error is IOException or OperationCanceledException)
        {
            // The client has gone, or the machine: either way there is nothing more to type.
        }
        finally
        {
            await left.CancelAsync().ConfigureAwait(false);
        }
    }

    private async Task ShowAsync(ConsoleObserver observer, CancellationToken left)
    {
        byte[] buffer = new byte[ControlFrame.LargestData];
        Task end = machine.WaitForExitAsync(CancellationToken.None);
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(left);
        // the server's end and the machine's come together: what was printed last is still sent
        using CancellationTokenSource patience = new();
        bool hasEnded = false;
        while (true)
        {
            Task<(int Count, long Lost)> reading = observer.ReadAsync(buffer, over.Token).AsTask();
            await Task.WhenAny(reading, end).ConfigureAwait(false);
            await LookForEndAsync().ConfigureAwait(false);
            (int Count, long Lost) piece;
            try
            {
                piece = await reading.ConfigureAwait(false);
                await LookForEndAsync().ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (machine.HasEnded)
            {
                await LookForEndAsync().ConfigureAwait(false);
                break; // everything was read
            }

            await SendAsync(piece, buffer, hasEnded ? patience.Token : left).ConfigureAwait(false);
        }

        await client.CompleteWritingAsync(patience.Token).ConfigureAwait(false);

        async Task LookForEndAsync()
        {
            if (machine.HasEnded && !hasEnded)
            {
                hasEnded = true;
                patience.CancelAfter(LastPatience);
                await over.CancelAsync().ConfigureAwait(false);
            }
        }
    }

    private async Task SendAsync((int Count, long Lost) piece, byte[] buffer, CancellationToken cancellationToken)
    {
        if (piece.Lost > 0)
        {
            await client.WriteAsync(
                Encoding.ASCII.GetBytes($"\r\n[strata: {piece.Lost} bytes were printed faster than they were read]\r\n"),
                cancellationToken).ConfigureAwait(false);
        }

        await client.WriteAsync(buffer.AsMemory(0, piece.Count), cancellationToken).ConfigureAwait(false);
    }
}
