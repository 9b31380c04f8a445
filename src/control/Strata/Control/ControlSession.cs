using System.Net.Sockets;
using Strata.Snapshots;
using Strata.Virtio.Vsock;

namespace Strata.Control;

/// <summary>One connection to a machine's control socket: a request, its reply, and for some a stream.</summary>
internal sealed partial class ControlSession
{
    private const int PumpBuffer = ControlFrame.LargestData;
    private static readonly TimeSpan RequestPatience = TimeSpan.FromSeconds(10);

    private readonly VirtualMachine _machine;
    private readonly MachineReservation _reservation;
    private readonly Stream _connection;
    private readonly CancellationToken _serviceEnds;
    private readonly CancellationToken _released;
    private readonly TaskCompletionSource _served = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private bool _isServing; // under _gate

    /// <summary>Serves the connection and closes it.</summary>
    /// <param name="mustRefuse">There are too many connections.</param>
    /// <param name="serviceEnds">The machine does nothing for others any more.</param>
    /// <param name="released">Its disks are closed and its name is free.</param>
    public ControlSession(
        VirtualMachine machine,
        MachineReservation reservation,
        Stream connection,
        bool mustRefuse,
        CancellationToken serviceEnds,
        CancellationToken released)
    {
        _machine = machine;
        _reservation = reservation;
        _connection = connection;
        _serviceEnds = serviceEnds;
        _released = released;
        End = RunAsync(mustRefuse);
    }

    /// <summary>Once the service has ended: it asks nothing more of the machine. Never fails.</summary>
    public Task Served
    {
        get
        {
            lock (_gate)
            {
                return _isServing ? _served.Task : Task.CompletedTask;
            }
        }
    }

    /// <summary>The connection is closed. Never fails: the other process's faults are its own.</summary>
    public Task End { get; }

    private async Task RunAsync(bool mustRefuse)
    {
        await Task.Yield(); // the caller accepts the next one meanwhile
        using (_connection)
        {
            try
            {
                if (mustRefuse)
                {
                    LogFull(_machine.ControlLog, _reservation.Name);
                    await FailAsync(
                        StrataError.Host,
                        $"The machine {_reservation.Name} has {ControlServer.MostConnections} control connections already; close some.",
                        _released).ConfigureAwait(false);
                }
                else if (await ReadRequestAsync(_released).ConfigureAwait(false) is { } request)
                {
                    await (TryBegin() ? ServeAsync(request, _serviceEnds) : ServeAfterEndAsync(request)).ConfigureAwait(false);
                }
            }
            catch (Exception error) when (error is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // The other side went away, or the machine ends: nobody is left to tell.
            }
            finally
            {
                _served.TrySetResult();
            }
        }
    }

    /// <returns>False if the service has ended: nobody would wait for it.</returns>
    private bool TryBegin()
    {
        lock (_gate)
        {
            return _isServing = !_serviceEnds.IsCancellationRequested;
        }
    }

    private async Task<ControlRequest?> ReadRequestAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(RequestPatience);
        try
        {
            return await ControlFrame.ReadAsync(_connection, patience.Token).ConfigureAwait(false) is { } frame
                ? ControlJson.ReadRequest(frame)
                : null;
        }
        catch (ControlProtocolException error)
        {
            LogBadRequest(_machine.ControlLog, _reservation.Name, error.Message);
            await FailAsync(StrataError.BadInput, error.Message, cancellationToken).ConfigureAwait(false);
            return null;
        }
    }

    private async Task ServeAsync(ControlRequest request, CancellationToken cancellationToken)
    {
        LogRequest(_machine.ControlLog, _reservation.Name, request.Operation);
        try
        {
            switch (request.Operation)
            {
                case ControlOperation.Connect:
                    await ServeStreamAsync(request.Port ?? throw Missing("port"), cancellationToken).ConfigureAwait(false);
                    break;
                case ControlOperation.Console:
                    await ReplyAsync(new ControlReply(), cancellationToken).ConfigureAwait(false);
                    await new ConsoleSession(_machine, new ControlStream(_connection)).RunAsync(cancellationToken).ConfigureAwait(false);
                    break;
                case ControlOperation.ScreenPicture:
                    byte[] png = await ((IMachine)_machine).CaptureScreenAsync(cancellationToken).ConfigureAwait(false);
                    await ReplyAsync(new ControlReply(), cancellationToken).ConfigureAwait(false);
                    ControlStream picture = new(_connection);
                    await picture.WriteAsync(png, cancellationToken).ConfigureAwait(false);
                    await picture.CompleteWritingAsync(cancellationToken).ConfigureAwait(false);
                    break;
                case ControlOperation.Suspend:
                    SnapshotReport report = await _machine.SuspendAsync(
                        request.Snapshot ?? throw Missing("snapshot"), null, CancellationToken.None).ConfigureAwait(false);
                    await ReplyAsync(new ControlReply { Snapshot = report }, CancellationToken.None).ConfigureAwait(false); // as for Quit
                    break;
                case ControlOperation.Quit:
                    await _machine.StopAsync().ConfigureAwait(false);
                    await ReplyAsync(new ControlReply(), CancellationToken.None).ConfigureAwait(false); // the server ends with the machine
                    break;
                case ControlOperation.ForkPoint:
                    await ServeForkPointAsync(cancellationToken).ConfigureAwait(false);
                    break;
                case ControlOperation.Wait:
                    await ServeEndAsync(cancellationToken).ConfigureAwait(false);
                    break;
                case ControlOperation.Release:
                    await ServeReleaseAsync().ConfigureAwait(false);
                    break;
                default:
                    await ReplyAsync(await AnswerAsync(request).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
                    break;
            }
        }
        catch (StrataException error)
        {
            await FailAsync(error.Error, error.Message, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Serves those who come while the machine lets go of what it holds.</summary>
    private async Task ServeAfterEndAsync(ControlRequest request)
    {
        switch (request.Operation)
        {
            case ControlOperation.Describe:
                await ReplyAsync(await AnswerAsync(request).ConfigureAwait(false), _released).ConfigureAwait(false);
                break;
            case ControlOperation.Wait:
                await ReplyAsync(
                    new ControlReply { Exit = await _machine.WaitForExitAsync(_released).ConfigureAwait(false) },
                    _released).ConfigureAwait(false);
                break;
            case ControlOperation.Quit:
                await ReplyAsync(new ControlReply(), _released).ConfigureAwait(false);
                break;
            case ControlOperation.Release:
                await ServeReleaseAsync().ConfigureAwait(false);
                break;
            default:
                await FailAsync(StrataError.BadInput, $"The machine {_reservation.Name} has ended.", _released).ConfigureAwait(false);
                break;
        }
    }

    /// <summary>There is nothing to answer: the end of the connection is what the other side waits for.</summary>
    private async Task ServeReleaseAsync()
    {
        _served.TrySetResult();
        using CancellationTokenSource gone = CancellationTokenSource.CreateLinkedTokenSource(_released);
        await WatchAsync(gone).ConfigureAwait(false);
    }

    /// <summary>What one call of the contract answers.</summary>
    private async Task<ControlReply> AnswerAsync(ControlRequest request)
    {
        IMachine contract = _machine;
        switch (request.Operation)
        {
            case ControlOperation.Describe:
                return new ControlReply { Machine = Named(await contract.DescribeAsync().ConfigureAwait(false)) };
            case ControlOperation.Engine:
                return new ControlReply
                {
                    Switch = await contract.SwitchEngineAsync(request.Engine ?? throw Missing("engine")).ConfigureAwait(false),
                };
            case ControlOperation.Explain:
                return new ControlReply { Explanation = await contract.ExplainEngineAsync().ConfigureAwait(false) };
            case ControlOperation.Inspect:
                MachineInspection inspection = await contract.InspectAsync().ConfigureAwait(false);
                return new ControlReply { Inspection = inspection with { Machine = Named(inspection.Machine) } };
            case ControlOperation.Spec:
                return new ControlReply { Spec = (await contract.GetSpecAsync().ConfigureAwait(false)).ToElement() };
            case ControlOperation.Snapshot:
                return new ControlReply
                {
                    Snapshot = await _machine.CreateSnapshotAsync(request.Snapshot ?? throw Missing("snapshot")).ConfigureAwait(false),
                };
            case ControlOperation.RollBack:
                TimeSpan still = await _machine.RollBackAsync(request.Name ?? throw Missing("snapshot")).ConfigureAwait(false);
                return new ControlReply { PauseMilliseconds = still.TotalMilliseconds };
            case ControlOperation.ScreenText:
                return new ControlReply { Text = await contract.ReadScreenAsync().ConfigureAwait(false) };
            case ControlOperation.Type:
                await (request.Keys is { } keys ? contract.PressKeysAsync(keys) : contract.TypeAsync(
                    request.Text ?? throw Missing("text"))).ConfigureAwait(false);
                return new ControlReply();
            case ControlOperation.Drives:
                return new ControlReply { Drives = await contract.ListDrivesAsync().ConfigureAwait(false) };
            case ControlOperation.ChangeMedium:
                await contract.ChangeMediumAsync(request.Medium ?? throw Missing("medium"), _serviceEnds).ConfigureAwait(false);
                return new ControlReply();
            case ControlOperation.PowerButton:
                await contract.PressPowerButtonAsync().ConfigureAwait(false);
                return new ControlReply();
            case ControlOperation.Wake:
                await contract.WakeAsync(_serviceEnds).ConfigureAwait(false);
                return new ControlReply();
            case ControlOperation.Reset:
                await contract.ResetAsync().ConfigureAwait(false);
                return new ControlReply();
            default:
                throw new StrataException(StrataError.BadInput, $"The control protocol has no operation {request.Operation}.");
        }
    }

    /// <summary>By the name that others reach it by.</summary>
    private MachineDescription Named(MachineDescription description) => description with
    {
        Name = _reservation.Name,
        Image = _reservation.Image,
    };

    private static StrataException Missing(string what) => new(StrataError.BadInput, $"The control request names no {what}.");

    /// <summary>The clones' process hangs up when they run.</summary>
    private async Task ServeForkPointAsync(CancellationToken cancellationToken)
    {
        ForkPoint point = await _machine.CreateForkPointAsync(cancellationToken).ConfigureAwait(false);
        await using (point.ConfigureAwait(false))
        {
            await ReplyAsync(new ControlReply { Folder = point.Store.Folder, Name = point.Name }, cancellationToken).ConfigureAwait(false);
            using CancellationTokenSource gone = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await WatchAsync(gone).ConfigureAwait(false);
        }
    }

    private async Task ServeEndAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenSource gone = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task watch = WatchAsync(gone);
        Task<MachineExit> end = _machine.WaitForExitAsync(CancellationToken.None);
        await Task.WhenAny(end, watch).ConfigureAwait(false);
        if (end.IsCompleted || _machine.HasEnded)
        {
            // Not with the server's token: its end and the machine's come together.
            await ReplyAsync(new ControlReply { Exit = await end.ConfigureAwait(false) }, CancellationToken.None).ConfigureAwait(false);
        }

        await gone.CancelAsync().ConfigureAwait(false);
        await watch.ConfigureAwait(false);
    }

    private async Task ServeStreamAsync(uint port, CancellationToken cancellationToken)
    {
        VsockStream guest;
        using (CancellationTokenSource gone = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken))
        {
            Task watch = WatchAsync(gone);
            try
            {
                guest = await _machine.ConnectAsync(port, gone.Token).ConfigureAwait(false);
            }
            catch (VsockException error)
            {
                await ControlJson.Write(
                    new ControlReply { Failure = new ControlFailure(StrataError.Guest, error.Message, error.IsRefused) })
                    .WriteAsync(_connection, cancellationToken).ConfigureAwait(false);
                return;
            }
            finally
            {
                await gone.CancelAsync().ConfigureAwait(false);
                await watch.ConfigureAwait(false);
            }
        }

        await using (guest.ConfigureAwait(false))
        {
            await ReplyAsync(new ControlReply(), cancellationToken).ConfigureAwait(false);
            ControlStream client = new(_connection);
            using CancellationTokenSource broken = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Task toGuest = PumpToGuestAsync(client, guest, broken);
            Task toClient = PumpToClientAsync(guest, client, broken);
            await Task.WhenAll(toGuest, toClient).ConfigureAwait(false);
        }
    }

    /// <summary>Cancels when the other process goes away before it was answered. It has nothing to say until then.</summary>
    private async Task WatchAsync(CancellationTokenSource gone)
    {
        try
        {
            Socket socket = ((NetworkStream)_connection).Socket;
            // completes at data or the end, and takes nothing
            await socket.ReceiveAsync(Memory<byte>.Empty, gone.Token).ConfigureAwait(false);
            await gone.CancelAsync().ConfigureAwait(false);
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException)
        {
            // answered, or gone
        }
    }

    /// <summary>Either direction's failure ends both.</summary>
    private static async Task PumpToGuestAsync(ControlStream client, VsockStream guest, CancellationTokenSource broken)
    {
        try
        {
            await CopyAsync(client, guest, broken.Token).ConfigureAwait(false);
            guest.CompleteWriting();
        }
        catch (VsockException)
        {
            // The guest takes no more: what it has sent is still passed on, and its reader says why it ended.
        }
        catch
        {
            await broken.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static async Task PumpToClientAsync(VsockStream guest, ControlStream client, CancellationTokenSource broken)
    {
        try
        {
            await CopyAsync(guest, client, broken.Token).ConfigureAwait(false);
            await client.CompleteWritingAsync(broken.Token).ConfigureAwait(false);
        }
        catch (VsockException error)
        {
            await client.FailAsync(new ControlFailure(StrataError.Guest, error.Message), broken.Token).ConfigureAwait(false);
            await broken.CancelAsync().ConfigureAwait(false);
        }
        catch
        {
            await broken.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static async Task CopyAsync(Stream source, Stream target, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[PumpBuffer];
        int count;
        while ((count = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
        {
            await target.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
        }
    }

    private ValueTask ReplyAsync(ControlReply reply, CancellationToken cancellationToken) =>
        ControlJson.Write(reply).WriteAsync(_connection, cancellationToken);

    private ValueTask FailAsync(StrataError error, string message, CancellationToken cancellationToken) =>
        ReplyAsync(new ControlReply { Failure = new ControlFailure(error, message) }, cancellationToken);
}
