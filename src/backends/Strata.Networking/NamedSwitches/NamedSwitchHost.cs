using System.Net.Sockets;
using Strata.Core.Posix;
using Strata.Networking.Frames;
using Strata.Networking.Nat;
using Strata.Networking.Switching;

namespace Strata.Networking.NamedSwitches;

/// <summary>
/// The switch behind a name, in the process of the machine that came first: a listening socket, and a port for each machine that
/// joins, this process's own among them. Whoever holds the place's lock is the host; a socket that is there without one belongs to a
/// process that has ended.
/// </summary>
internal sealed class NamedSwitchHost : IDisposable
{
    /// <summary>Connections at a time; more are closed.</summary>
    public const int MostConnections = 256;

    private const int Backlog = 64;
    private static readonly TimeSpan AcceptPause = TimeSpan.FromMilliseconds(100);

    private readonly NamedSwitchPlace _place;
    private readonly FileStream _lock;
    private readonly Socket _listener;
    private readonly VirtualSwitch _switch = new();
    private readonly UserNetwork _users;
    private readonly SwitchPort _router;
    private readonly CancellationTokenSource _ending = new();
    private readonly List<HostedPort> _peers = []; // under itself
    private readonly Thread _accepting;

    private NamedSwitchHost(NamedSwitchPlace place, FileStream held, Socket listener, string machine, bool isolated)
    {
        _place = place;
        _lock = held;
        _listener = listener;
        Machine = machine;
        IsIsolated = isolated;
        _users = new UserNetwork(
            new UserNetworkOptions { Egress = isolated ? EgressPolicy.DenyAll : EgressPolicy.AllowAll }, _switch.Clock);
        _router = _switch.AddUplink(_users);
        _accepting = new Thread(Accept) { IsBackground = true, Name = "strata-switch-accept" };
        _accepting.Start();
    }

    /// <summary>The machine in whose process this is.</summary>
    public string Machine { get; }

    /// <summary>Whether the machines have no way out.</summary>
    public bool IsIsolated { get; }

    /// <summary>Begins to host a switch.</summary>
    /// <returns>Null if another process hosts it.</returns>
    /// <exception cref="IOException">The socket cannot be made; the message says why.</exception>
    public static NamedSwitchHost? TryStart(NamedSwitchPlace place, string machine, bool isolated)
    {
        if (TryLock(place) is not { } held)
        {
            return null;
        }

        Socket? listener = null;
        try
        {
            if (IsServed(place))
            {
                held.Dispose(); // by a process that does not lock: its socket is not ours to remove
                return null;
            }

            File.Delete(place.SocketPath);
            listener = NewSocket();
            listener.Bind(new UnixDomainSocketEndPoint(place.SocketPath));
            listener.Listen(Backlog);
            return new NamedSwitchHost(place, held, listener, machine, isolated);
        }
        catch (Exception error) when (error is SocketException or UnauthorizedAccessException)
        {
            listener?.Dispose();
            held.Dispose();
            throw new IOException(
                $"The socket {place.SocketPath} of the switch {place.Name} cannot be made: {error.Message}. Set XDG_RUNTIME_DIR to a " +
                $"folder of yours.",
                error);
        }
        catch
        {
            listener?.Dispose();
            held.Dispose();
            throw;
        }
    }

    public static Socket NewSocket() => new(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);

    /// <summary>
    /// Ends the switch. Whoever is plugged in hears that the connection ended when another process can take over already.
    /// </summary>
    public void Dispose()
    {
        _ending.Cancel();
        _listener.Dispose(); // ends the accepting, and removes its file, which is still ours under the lock
        _accepting.Join();
        _lock.Dispose();
        HostedPort[] peers;
        lock (_peers)
        {
            peers = [.. _peers];
        }

        Array.ForEach(peers, peer => peer.Stop());
        Array.ForEach(peers, peer => peer.Dispose());
        _switch.Dispose();
        _ending.Dispose();
    }

    /// <summary>Gives a machine its port.</summary>
    /// <returns>Whether it has one, as <see cref="HostedPort.Port"/>, and if not, why.</returns>
    internal SwitchReply Admit(HostedPort peer, SwitchJoin join)
    {
        if (Refusal(join, out MacAddress mac) is { } refusal)
        {
            return new SwitchReply { Refusal = refusal };
        }

        lock (_peers)
        {
            if (_peers.Find(other => other != peer && other.Mac == mac) is { } twin)
            {
                return new SwitchReply
                {
                    Refusal = $"The machine {twin.Machine} is plugged into the switch {_place.Name} with the address {mac} already: give " +
                        $"one of them another --name.",
                    IsPassing = true,
                };
            }

            LinkConditions conditions = new()
            {
                Delay = TimeSpan.FromMilliseconds(join.DelayMilliseconds), Loss = join.Loss, BytesPerSecond = join.BytesPerSecond,
                Seed = (int)mac.Value,
            };
            SwitchPort port = _switch.AddPort(new SwitchPortOptions
            {
                Vlan = PortVlan.Access(join.Vlan),
                In = conditions,
                Out = conditions with { Seed = conditions.Seed ^ 1 },
            });
            peer.Plug(port, join.Machine, mac);
        }

        _users.AddStation(mac, join.Machine, Ipv4Address.TryParse(join.Address, out Ipv4Address address) ? address : null);
        return new SwitchReply();
    }

    /// <summary>The connection has ended.</summary>
    internal void Remove(HostedPort peer)
    {
        if (peer.Port is not null)
        {
            _users.RemoveStation(peer.Mac);
        }

        lock (_peers)
        {
            _peers.Remove(peer);
        }
    }

    internal (NamedSwitchDescription Switch, NamedSwitchPortDescription[] Ports) Describe()
    {
        HostedPort[] peers;
        lock (_peers)
        {
            peers = [.. _peers];
        }

        NamedSwitchPortDescription[] ports = [
            .. peers.Where(peer => peer.Port is not null).Select(peer => Describe(peer.Port!, peer)).Prepend(Describe(_router, null))];
        NamedSwitchDescription description = new()
        {
            Name = _place.Name, IsIsolated = IsIsolated, Host = Machine, HostProcessId = Environment.ProcessId,
            StationCount = _switch.StationCount,
        };
        return (description, ports);
    }

    private NamedSwitchPortDescription Describe(SwitchPort port, HostedPort? peer)
    {
        SwitchPortCounters counters = port.Counters;
        return new NamedSwitchPortDescription
        {
            Number = port.Number,
            Machine = peer?.Machine,
            ProcessId = peer?.ProcessId ?? 0,
            Mac = peer?.Mac.ToString(),
            Address = peer is null ? null : _users.FindLease(peer.Mac)?.ToString(),
            Vlan = port.Options.Vlan.Untagged,
            Stations = [.. _switch.FindStations(port, most: 16).Select(mac => mac.ToString())],
            In = counters.In,
            Out = counters.Out,
            Filtered = counters.Filtered,
            Lost = counters.Lost,
            Overflowed = counters.Overflowed,
        };
    }

    private string? Refusal(SwitchJoin join, out MacAddress mac)
    {
        mac = default;
        string name = _place.Name;
        if (!NamedSwitchPlace.IsValidName(join.Machine) || !MacAddress.TryParse(join.Mac, out mac) || mac.IsGroup || mac.Value == 0)
        {
            return $"The switch {name} cannot plug in a machine of such a name or address.";
        }

        if (join.Isolated != IsIsolated)
        {
            return IsIsolated
                ? $"The switch {name} is isolated, as its first machine said; use --net switch={name},isolated or another name."
                : $"The switch {name} has a way out, as its first machine said; use --net switch={name} or another name.";
        }

        bool inRange = join is
        {
            Vlan: >= 1 and <= VlanTag.LargestVlan,
            DelayMilliseconds: >= 0 and <= 60_000,
            Loss: >= 0 and <= 1,
            BytesPerSecond: >= 0,
        };
        return inRange
            ? null
            : $"The switch {name} has no such cable: a VLAN is 1 to {VlanTag.LargestVlan}, a delay at most 60 s, a loss at most 100 %.";
    }

    /// <summary>A thread of its own: machines of other processes do not wait for this process's thread pool.</summary>
    private void Accept()
    {
        while (!_ending.IsCancellationRequested)
        {
            try
            {
                Serve(_listener.Accept());
            }
            catch (Exception error) when (error is SocketException or IOException or ObjectDisposedException)
            {
                // The caller has gone again, or this process has no descriptor left: others may have more luck later.
                _ending.Token.WaitHandle.WaitOne(AcceptPause);
            }
        }
    }

    private void Serve(Socket socket)
    {
        PeerCredentials credentials = PeerCredentials.Of(socket);
        lock (_peers)
        {
            if (!credentials.IsSameUser || _peers.Count >= MostConnections)
            {
                socket.Dispose();
                return;
            }

            HostedPort peer = new(this, socket, credentials.ProcessId);
            _peers.Add(peer);
            peer.Start();
        }
    }

    /// <summary>flock(2), which ends with the process however that ends.</summary>
    /// <returns>Null if another process holds it.</returns>
    private static FileStream? TryLock(NamedSwitchPlace place)
    {
        try
        {
            return new FileStream(place.LockPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new IOException(
                $"The lock {place.LockPath} of the switch {place.Name} cannot be had: {error.Message} Set XDG_RUNTIME_DIR to a folder of " +
                $"yours.",
                error);
        }
        catch (IOException) when (File.Exists(place.LockPath))
        {
            return null;
        }
    }

    private static bool IsServed(NamedSwitchPlace place)
    {
        using Socket probe = NewSocket();
        probe.Blocking = false;
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(place.SocketPath));
            return true;
        }
        catch (SocketException error)
        {
            return error.SocketErrorCode == SocketError.WouldBlock; // its backlog is full: it lives
        }
    }
}
