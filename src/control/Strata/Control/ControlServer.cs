using System.Net.Sockets;
using Strata.Core.Posix;

namespace Strata.Control;

/// <summary>
/// Serves a machine's control socket to other processes of the same user. Disposing ends every connection and gives the name back;
/// the machine runs on. Dispose it before the machine.
/// </summary>
public sealed partial class ControlServer : IAsyncDisposable
{
    /// <summary>Connections at a time; more are told so and closed.</summary>
    public const int MostConnections = 256;

    private readonly VirtualMachine _machine;
    private readonly MachineReservation _reservation;
    private readonly CancellationTokenSource _ending = new();
    private readonly HashSet<Task> _sessions = []; // under itself
    private readonly Task _accepting;
    private bool _disposed;

    private ControlServer(VirtualMachine machine, MachineReservation reservation)
    {
        _machine = machine;
        _reservation = reservation;
        _accepting = AcceptAsync();
    }

    public string Name => _reservation.Name;

    /// <summary>Opens the socket of a machine to others.</summary>
    /// <param name="reservation">Its name; the server owns it from here on.</param>
    public static ControlServer Start(VirtualMachine machine, MachineReservation reservation)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentNullException.ThrowIfNull(reservation);
        return new ControlServer(machine, reservation);
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return;
        }

        await _ending.CancelAsync().ConfigureAwait(false);
        await _accepting.ConfigureAwait(false);
        Task[] left;
        lock (_sessions)
        {
            left = [.. _sessions];
        }

        await Task.WhenAll(left).ConfigureAwait(false);
        await _reservation.DisposeAsync().ConfigureAwait(false);
        _ending.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Socket peer = await _reservation.Listener.AcceptAsync(_ending.Token).ConfigureAwait(false);
                PeerCredentials caller = PeerCredentials.Of(peer);
                if (!caller.IsSameUser)
                {
                    LogStranger(_machine.ControlLog, caller.UserId, Name);
                    peer.Dispose(); // the folder lets nobody else in; this is for a folder that changed hands
                    continue;
                }

                lock (_sessions)
                {
                    _sessions.RemoveWhere(session => session.IsCompleted);
                    ControlSession session = new(_machine, _reservation, new NetworkStream(peer, ownsSocket: true));
                    _sessions.Add(session.RunAsync(mustRefuse: _sessions.Count >= MostConnections, _ending.Token));
                }
            }
        }
        catch (OperationCanceledException)
        {
            // the end
        }
        catch (SocketException) when (_ending.IsCancellationRequested)
        {
            // the same, seen by the socket
        }
    }
}
