using System.Net.Sockets;
using Strata.Core.Posix;

namespace Strata.Control;

/// <summary>
/// Serves a machine's control socket to other processes of the same user. It ends with the machine: when that is disposed, nothing more is
/// done for others, then its disks are closed, and then its name is given back, so that whoever finds the name free finds the disks free
/// too. Disposing the server of a machine that runs on ends every connection and gives the name back at once.
/// </summary>
public sealed partial class ControlServer : IAsyncDisposable
{
    /// <summary>Connections at a time; more are told so and closed.</summary>
    public const int MostConnections = 256;

    private readonly VirtualMachine _machine;
    private readonly MachineReservation _reservation;
    private readonly CancellationTokenSource _serviceEnds = new();
    private readonly CancellationTokenSource _listeningEnds = new();
    private readonly CancellationTokenSource _released = new();
    private readonly HashSet<ControlSession> _sessions = []; // under itself
    private readonly Task _accepting;
    private readonly Lazy<Task> _endOfService;
    private readonly Lazy<Task> _end;

    private ControlServer(VirtualMachine machine, MachineReservation reservation)
    {
        _machine = machine;
        _reservation = reservation;
        _endOfService = new Lazy<Task>(StopServiceAsync);
        _end = new Lazy<Task>(ReleaseAsync);
        _accepting = AcceptAsync();
    }

    public string Name => _reservation.Name;

    /// <summary>Opens the socket of a machine to others.</summary>
    /// <param name="reservation">Its name; the server owns it from here on.</param>
    public static ControlServer Start(VirtualMachine machine, MachineReservation reservation)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentNullException.ThrowIfNull(reservation);
        ControlServer server = new(machine, reservation);
        machine.Attach(server);
        return server;
    }

    /// <summary>
    /// Ends every connection. The name of a machine that has ended stays taken until the machine is disposed: it holds its disks.
    /// </summary>
    public async ValueTask DisposeAsync() => await (_machine.HoldsItsDisks ? EndServiceAsync() : EndAsync()).ConfigureAwait(false);

    /// <summary>From here on others only learn that the machine has ended, and can wait until it is released.</summary>
    internal Task EndServiceAsync() => _endOfService.Value;

    /// <summary>The machine has been released, or is nobody's business any more.</summary>
    internal Task EndAsync() => _end.Value;

    private async Task StopServiceAsync()
    {
        await _serviceEnds.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(Sessions().Select(session => session.Served)).ConfigureAwait(false);
    }

    private async Task ReleaseAsync()
    {
        await EndServiceAsync().ConfigureAwait(false);
        await _listeningEnds.CancelAsync().ConfigureAwait(false);
        await _accepting.ConfigureAwait(false);
        await _reservation.DisposeAsync().ConfigureAwait(false);
        await _released.CancelAsync().ConfigureAwait(false); // who waits for the name gets it
        await Task.WhenAll(Sessions().Select(session => session.End)).ConfigureAwait(false);
        _machine.Detach(this);
        _serviceEnds.Dispose();
        _listeningEnds.Dispose();
        _released.Dispose();
    }

    private ControlSession[] Sessions()
    {
        lock (_sessions)
        {
            return [.. _sessions];
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Socket peer = await _reservation.Listener.AcceptAsync(_listeningEnds.Token).ConfigureAwait(false);
                PeerCredentials caller = PeerCredentials.Of(peer);
                if (!caller.IsSameUser)
                {
                    LogStranger(_machine.ControlLog, caller.UserId, Name);
                    peer.Dispose(); // the folder lets nobody else in; this is for a folder that changed hands
                    continue;
                }

                lock (_sessions)
                {
                    _sessions.RemoveWhere(session => session.End.IsCompleted);
                    bool mustRefuse = _sessions.Count >= MostConnections;
                    NetworkStream connection = new(peer, ownsSocket: true);
                    _sessions.Add(new ControlSession(_machine, _reservation, connection, mustRefuse, _serviceEnds.Token, _released.Token));
                }
            }
        }
        catch (OperationCanceledException)
        {
            // the end
        }
        catch (SocketException) when (_listeningEnds.IsCancellationRequested)
        {
            // the same, seen by the socket
        }
    }
}
