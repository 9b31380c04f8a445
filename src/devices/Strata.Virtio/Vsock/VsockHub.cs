namespace Strata.Virtio.Vsock;

/// <summary>
/// The host's end of all connections with a guest: packets in, packets out, programs in between. VIRTIO 1.2, "Socket Device".
/// Members are safe on any thread; <paramref name="wake"/> is called without the gate when there is something for the guest.
/// </summary>
internal sealed partial class VsockHub(Action wake)
{
    public const ulong HostCid = 2;
    public const ulong GuestCid = 3;

    /// <summary>Connections at a time.</summary>
    public const int MostConnections = 1024;

    /// <summary>Refusals that wait for room in the guest's buffers; the guest is not listened to meanwhile.</summary>
    public const int MostRefusals = 64;

    public const uint FirstDynamicPort = 0x4000_0000;

    private readonly Lock _gate = new(); // over everything below and every connection; never held while calling out
    private readonly Dictionary<(uint Host, uint Guest), VsockConnection> _connections = [];
    private readonly Dictionary<uint, VsockListener> _listeners = [];
    private readonly Queue<VsockConnection> _ready = new();
    private readonly Queue<VsockHeader> _refusals = new();
    private uint _nextPort = FirstDynamicPort;
    private bool _closed;

    public bool HasOutgoing
    {
        get
        {
            lock (_gate)
            {
                while (_ready.TryPeek(out VsockConnection? connection) && !connection.HasSomething)
                {
                    connection.IsQueued = false;
                    _ready.Dequeue();
                }

                return _refusals.Count > 0 || _ready.Count > 0;
            }
        }
    }

    /// <summary>Whether the guest's packets can be taken: each may need a refusal.</summary>
    public bool CanReceive
    {
        get
        {
            lock (_gate)
            {
                return _refusals.Count < MostRefusals;
            }
        }
    }

    /// <summary>Connects to a port of the guest; waits until a driver is there to answer.</summary>
    /// <exception cref="VsockException">Nobody listens there, or the machine has ended.</exception>
    public async Task<VsockStream> ConnectAsync(uint port, CancellationToken cancellationToken)
    {
        VsockConnection connection;
        lock (_gate)
        {
            connection = Add(port);
            connection.MustRequest = true;
            Enqueue(connection);
        }

        wake();
        try
        {
            await connection.Answered.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            Abort(connection);
            throw;
        }

        lock (_gate)
        {
            return connection.IsConnected ? new VsockStream(this, connection)
                : throw connection.Error ?? new VsockException($"The connection to the guest's port {port} ended before it was made.");
        }
    }

    /// <exception cref="VsockException">The port is taken.</exception>
    public VsockListener Listen(uint port)
    {
        lock (_gate)
        {
            if (_closed)
            {
                throw new VsockException("The machine has ended.");
            }

            VsockListener listener = new(this, port);
            return _listeners.TryAdd(port, listener)
                ? listener
                : throw new VsockException($"Port {port} is listened to already; use another one.");
        }
    }

    public void StopListening(VsockListener listener)
    {
        lock (_gate)
        {
            _listeners.Remove(listener.Port);
        }
    }

    /// <summary>A packet of the guest. Its content is as long as the header says.</summary>
    public void Receive(in VsockHeader header, ReadOnlySpan<byte> content)
    {
        lock (_gate)
        {
            if (header.SourceCid != GuestCid)
            {
                return;
            }

            _connections.TryGetValue((header.TargetPort, header.SourcePort), out VsockConnection? connection);
            if (header.TargetCid != HostCid || header.Type != VsockHeader.TypeStream)
            {
                Refuse(header);
            }
            else if (header.Operation == VsockOperation.Request)
            {
                Accept(header, connection);
            }
            else if (connection is not null)
            {
                connection.NoteCredit(header);
                Receive(connection, header, content);
                Enqueue(connection);
            }
            else
            {
                Refuse(header);
            }
        }
    }

    /// <summary>The next packet for the guest.</summary>
    /// <param name="content">Room for content; may be empty.</param>
    /// <param name="header">Its length says how much of it was used.</param>
    public bool TryTake(Span<byte> content, out VsockHeader header)
    {
        lock (_gate)
        {
            if (_refusals.TryDequeue(out header))
            {
                return true;
            }

            while (_ready.TryDequeue(out VsockConnection? connection))
            {
                connection.IsQueued = false;
                if (connection.HasSomething)
                {
                    header = Next(connection, content);
                    Enqueue(connection);
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>
    /// The guest's driver has gone, and with it every connection. Listeners stay, and who waits for an answer waits for the next driver's.
    /// </summary>
    public void Reset()
    {
        lock (_gate)
        {
            End(new VsockException("The guest's driver was reset."));
        }
    }

    /// <summary>
    /// Ends every connection that the guest knows; those that it was asked for it will be asked for again. Under the gate.
    /// </summary>
    private void End(VsockException reason)
    {
        _ready.Clear();
        _refusals.Clear();
        _lost.Clear();
        foreach (VsockConnection connection in _connections.Values.ToArray())
        {
            connection.IsQueued = false;
            if (connection.IsConnected)
            {
                Remove(connection, reason);
            }
            else
            {
                connection.MustRequest = true;
                Enqueue(connection);
            }
        }
    }

    /// <summary>The machine ends.</summary>
    public void Close()
    {
        VsockListener[] listeners;
        lock (_gate)
        {
            _closed = true;
            listeners = [.. _listeners.Values];
            foreach (VsockConnection connection in _connections.Values.ToArray())
            {
                Remove(connection, new VsockException("The machine has ended."));
            }
        }

        foreach (VsockListener listener in listeners)
        {
            listener.Dispose();
        }
    }

    internal async ValueTask<int> ReadAsync(VsockConnection connection, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task readable;
            int count;
            bool announce;
            lock (_gate)
            {
                count = connection.Received.Take(buffer.Span);
                if (count == 0)
                {
                    if (buffer.IsEmpty || (connection.IsAtEnd && connection.Error is null))
                    {
                        return 0;
                    }

                    if (connection.Error is { } error)
                    {
                        throw new VsockException(error.Message, error);
                    }
                }

                connection.NoteTaken(count);
                announce = connection.MustAnnounceCredit && Enqueue(connection);
                readable = count > 0 ? Task.CompletedTask : connection.WhenReadable();
            }

            if (announce)
            {
                wake();
            }

            if (count > 0)
            {
                return count;
            }

            await readable.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    internal async ValueTask WriteAsync(VsockConnection connection, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        while (!buffer.IsEmpty)
        {
            Task writable;
            bool enqueued;
            lock (_gate)
            {
                if (connection.IsClosed
                    || (connection.OwnShutdown & VsockHeader.ShutdownSend) != 0
                    || (connection.PeerShutdown & VsockHeader.ShutdownReceive) != 0)
                {
                    throw new VsockException(connection.Error?.Message ?? "The connection to the guest is closed for writing.");
                }

                buffer = buffer[connection.ToSend.Add(buffer.Span)..];
                enqueued = Enqueue(connection);
                writable = buffer.IsEmpty ? Task.CompletedTask : connection.WhenWritable();
            }

            if (enqueued)
            {
                wake();
            }

            await writable.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Ends one or both directions, sending after what was written.</summary>
    internal void ShutDown(VsockConnection connection, uint flags)
    {
        bool enqueued;
        lock (_gate)
        {
            connection.MustShutDown |= flags & ~connection.HasShutDown;
            if ((flags & VsockHeader.ShutdownReceive) != 0)
            {
                connection.Received.Clear();
                connection.WakeReader();
            }

            enqueued = Enqueue(connection);
        }

        if (enqueued)
        {
            wake();
        }
    }

    /// <summary>Ends a connection that nobody waits for any more; the guest hears of it when it answers.</summary>
    private void Abort(VsockConnection connection)
    {
        lock (_gate)
        {
            Remove(connection, null);
        }
    }

    private VsockConnection Add(uint guestPort)
    {
        if (_closed)
        {
            throw new VsockException("The machine has ended.");
        }

        if (_connections.Count >= MostConnections)
        {
            throw new VsockException($"There are {MostConnections} connections to the guest already; close some.");
        }

        while (_connections.ContainsKey((_nextPort, guestPort)) || _listeners.ContainsKey(_nextPort))
        {
            _nextPort = _nextPort == uint.MaxValue - 1 ? FirstDynamicPort : _nextPort + 1;
        }

        VsockConnection connection = new(_nextPort, guestPort);
        _nextPort = _nextPort == uint.MaxValue - 1 ? FirstDynamicPort : _nextPort + 1;
        _connections.Add((connection.HostPort, guestPort), connection);
        return connection;
    }

    private void Accept(in VsockHeader header, VsockConnection? existing)
    {
        if (existing is not null)
        {
            Remove(existing, new VsockException("The guest reused the connection's port."));
            Refuse(header);
            return;
        }

        VsockConnection connection = new(header.TargetPort, header.SourcePort) { IsConnected = true, MustRespond = true };
        if (_connections.Count >= MostConnections
            || !_listeners.TryGetValue(header.TargetPort, out VsockListener? listener)
            || !listener.TryOffer(new VsockStream(this, connection)))
        {
            Refuse(header);
            return;
        }

        connection.NoteCredit(header);
        _connections.Add((connection.HostPort, connection.GuestPort), connection);
        Enqueue(connection);
    }

    private void Receive(VsockConnection connection, in VsockHeader header, ReadOnlySpan<byte> content)
    {
        switch (header.Operation)
        {
            case VsockOperation.Response when !connection.IsConnected && !connection.MustRequest:
                connection.IsConnected = true;
                connection.Answered.TrySetResult();
                break;
            case VsockOperation.Data when connection.IsConnected:
                ReceiveData(connection, header, content);
                break;
            case VsockOperation.Shutdown:
                connection.PeerShutdown |= header.Flags & (VsockHeader.ShutdownReceive | VsockHeader.ShutdownSend);
                ReceiveShutdown(connection, header);
                break;
            case VsockOperation.CreditUpdate:
                break;
            case VsockOperation.CreditRequest:
                connection.MustAnnounceCredit = true;
                break;
            case VsockOperation.Reset:
                Remove(connection, connection.IsConnected
                    ? (connection.PeerShutdown | connection.OwnShutdown) != 0 ? null : new VsockException("The guest broke the connection.")
                    : new VsockException(
                        $"The guest refused the connection: nothing listens on its port {connection.GuestPort}.", isRefused: true));
                break;
            default:
                Remove(connection, new VsockException("The guest sent a packet that does not belong into the connection."));
                Refuse(header);
                break;
        }
    }

    private void ReceiveData(VsockConnection connection, in VsockHeader header, ReadOnlySpan<byte> content)
    {
        if ((connection.OwnShutdown & VsockHeader.ShutdownReceive) != 0)
        {
            connection.NoteTaken(content.Length); // nobody reads it any more
            return;
        }

        if (content.Length > connection.Received.Free)
        {
            Remove(connection, new VsockException("The guest sent more than its credit."));
            Refuse(header);
            return;
        }

        connection.Received.Add(content);
        connection.WakeReader();
    }

    private void ReceiveShutdown(VsockConnection connection, in VsockHeader header)
    {
        if (connection.PeerShutdown == (VsockHeader.ShutdownReceive | VsockHeader.ShutdownSend))
        {
            Remove(connection, null); // both sides know: the reset says so
            Refuse(header);
            return;
        }

        connection.WakeReader();
        connection.WakeWriter();
    }

    private VsockHeader Next(VsockConnection connection, Span<byte> content)
    {
        if (connection.MustRequest)
        {
            connection.MustRequest = false;
            return connection.Header(VsockOperation.Request);
        }

        if (connection.MustRespond)
        {
            connection.MustRespond = false;
            return connection.Header(VsockOperation.Response);
        }

        int most = (int)Math.Min((uint)content.Length, connection.Credit);
        if (connection.IsConnected && connection.ToSend.Count > 0 && most > 0)
        {
            int count = connection.ToSend.Take(content[..most]);
            connection.NoteSent(count);
            connection.WakeWriter();
            return connection.Header(VsockOperation.Data, count);
        }

        if (connection.IsConnected && connection.MustShutDown != 0 && connection.ToSend.Count == 0)
        {
            connection.HasShutDown |= connection.MustShutDown;
            connection.MustShutDown = 0;
            if (connection.HasShutDown == (VsockHeader.ShutdownReceive | VsockHeader.ShutdownSend))
            {
                Remove(connection, null); // the guest's answers to it are refused, which is what it waits for
            }

            return connection.Header(VsockOperation.Shutdown, 0, connection.HasShutDown);
        }

        return connection.Header(VsockOperation.CreditUpdate);
    }

    private void Refuse(in VsockHeader header)
    {
        if (header.Operation == VsockOperation.Reset || _refusals.Count >= 2 * MostRefusals)
        {
            return;
        }

        _refusals.Enqueue(new VsockHeader
        {
            SourceCid = header.TargetCid,
            TargetCid = header.SourceCid,
            SourcePort = header.TargetPort,
            TargetPort = header.SourcePort,
            Type = header.Type,
            Operation = VsockOperation.Reset,
        });
    }

    /// <returns>Whether the guest has to be woken.</returns>
    private bool Enqueue(VsockConnection connection)
    {
        if (connection.IsQueued || !connection.HasSomething)
        {
            return false;
        }

        connection.IsQueued = true;
        _ready.Enqueue(connection);
        return true;
    }

    private void Remove(VsockConnection connection, VsockException? error)
    {
        _connections.Remove((connection.HostPort, connection.GuestPort));
        connection.Close(error);
    }
}
