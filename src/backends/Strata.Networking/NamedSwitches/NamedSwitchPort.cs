using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using Strata.Core.Networking;
using Strata.Core.Posix;
using Strata.Networking.Frames;

namespace Strata.Networking.NamedSwitches;

/// <summary>
/// A machine's end of the cable to a named switch, which joins machines of any number of processes. When nobody hosts the switch, this
/// process does: the machine whose process hosts it reaches it through a socket as all others do. When the host's process ends, those
/// that are left go through the same election again; the carrier is cut only where that takes longer than a second.
/// Safe on any thread.
/// </summary>
public sealed partial class NamedSwitchPort : INetworkBackend, IChannelReader
{
    private static readonly TimeSpan JoinPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RefusalPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan CarrierPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ShortPause = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan LongPause = TimeSpan.FromMilliseconds(100);

    private readonly NamedSwitchPlace _place;
    private readonly NamedSwitchStation _station;
    private readonly NamedSwitchOptions _options;
    private readonly CancellationTokenSource _ending = new();
    private readonly Thread _thread;
    private readonly byte[] _reply = new byte[SwitchMessage.LargestText + 1]; // the thread's, and before it of who joins
    private NamedSwitchHost? _host; // the same
    private volatile FrameChannel? _channel; // null while there is no host
    private volatile IFrameReceiver? _receiver;
    private volatile string? _failure;
    private volatile uint _address; // the guest's last IPv4 source; zero before
    private bool _disposed;

    private NamedSwitchPort(NamedSwitchPlace place, NamedSwitchStation station, NamedSwitchOptions options)
    {
        _place = place;
        _station = station;
        _options = options;
        _thread = new Thread(Serve) { IsBackground = true, Name = "strata-switch" };
    }

    /// <summary>The switch finishes what a receiver cannot.</summary>
    public FrameFeatures Accepts => FrameFeatures.PartialChecksum | FrameFeatures.Tcp4Segmentation | FrameFeatures.Tcp6Segmentation;

    /// <summary>Whether the switch runs in this process, for this machine.</summary>
    public bool IsHost => Volatile.Read(ref _host) is not null;

    /// <summary>Why the switch cannot be reached now; null while it can.</summary>
    public string? Failure => _failure;

    /// <summary>Plugs a machine in, and hosts the switch if nobody does.</summary>
    /// <exception cref="IOException">It cannot be had; the message says why and what to do.</exception>
    public static NamedSwitchPort Join(NamedSwitchPlace place, NamedSwitchStation station, NamedSwitchOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(place);
        ArgumentNullException.ThrowIfNull(station);
        place.Check();
        NamedSwitchPort port = new(place, station, options ?? new NamedSwitchOptions());
        try
        {
            long start = Stopwatch.GetTimestamp();
            while ((port._channel = port.TryJoin()) is null)
            {
                TimeSpan waited = Stopwatch.GetElapsedTime(start);
                if (port._failure is { } refusal && waited > RefusalPatience)
                {
                    throw new IOException(refusal);
                }

                if (waited > JoinPatience)
                {
                    throw new IOException(
                        $"The switch {place.Name} has a host that does not listen at {place.SocketPath}; end the machines of the switch, " +
                        $"or use another name.");
                }

#pragma warning disable RS0030 // Another process is about to listen, or about to end: nothing here is told of it.
                Thread.Sleep(ShortPause);
#pragma warning restore RS0030
            }

            return port;
        }
        catch
        {
            port.Dispose();
            throw;
        }
    }

    public void Connect(IFrameReceiver receiver)
    {
        _receiver = receiver;
        _thread.Start();
    }

    public void Send(ReadOnlySpan<byte> frame, in FrameOffload offload)
    {
        if (_channel is not { } channel || !SwitchMessage.CanCarry(frame, offload))
        {
            return;
        }

        RememberAddress(frame);
        Span<byte> header = stackalloc byte[SwitchMessage.FrameHeaderSize];
        SwitchMessage.WriteFrameHeader(header, offload);
        channel.TrySend(header, frame);
    }

    public void Resume() => _channel?.Resume();

    /// <summary>Unplugs the machine. If its process hosts the switch, another one's takes over.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return;
        }

        _ending.Cancel();
        _channel?.Stop();
        if (_thread.IsAlive)
        {
            _thread.Join();
        }

        _channel?.Dispose();
        _host?.Dispose();
        _ending.Dispose();
    }

    Delivery IChannelReader.OnMessage(ReadOnlySpan<byte> message)
    {
        if (!SwitchMessage.TryReadFrame(message, out ReadOnlySpan<byte> frame, out FrameOffload offload))
        {
            return Delivery.Last;
        }

        IFrameReceiver receiver = _receiver!;
        FrameFeatures accepts = receiver.Accepts;
        FrameFeatures needed = offload.Segmentation | (offload.NeedsChecksum ? FrameFeatures.PartialChecksum : FrameFeatures.None);
        if ((needed & ~accepts) == 0)
        {
            return receiver.TryReceive(frame, [], offload) ? Delivery.Taken : Delivery.NoRoom;
        }

        FrameCompletion.Complete(
            frame, offload, accepts, (ReadOnlySpan<byte> piece, in FrameOffload rest) => receiver.TryReceive(piece, [], rest));
        return Delivery.Taken; // a piece that found no room is lost: its sender repeats it
    }

    void IChannelReader.OnRoom()
    {
        // Frames from a card that find no room are lost, as on any wire; nobody waits.
    }

    /// <summary>The thread: carries frames to the guest, and looks for a new host when there is none.</summary>
    private void Serve()
    {
        while (true)
        {
            FrameChannel? channel = _channel ??= Rejoin();
            if (channel is null || _ending.IsCancellationRequested)
            {
                return;
            }

            channel.Run(this);
            if (_ending.IsCancellationRequested)
            {
                return;
            }

            _channel = null;
            channel.Dispose();
        }
    }

    /// <returns>Null if the machine ends meanwhile.</returns>
    private FrameChannel? Rejoin()
    {
        long start = Stopwatch.GetTimestamp();
        bool carrier = true;
        FrameChannel? channel;
        while ((channel = TryJoinAgain()) is null)
        {
            if (carrier && Stopwatch.GetElapsedTime(start) > CarrierPatience)
            {
                carrier = false;
                _receiver!.SetCarrier(false);
            }

            if (_ending.Token.WaitHandle.WaitOne(carrier && _failure is null ? ShortPause : LongPause))
            {
                return null;
            }
        }

        if (!carrier)
        {
            _receiver!.SetCarrier(true);
        }

        return channel;
    }

    private FrameChannel? TryJoinAgain()
    {
        try
        {
            return TryJoin();
        }
        catch (IOException error)
        {
            _failure = error.Message; // what another machine does may mend it
        }
        catch (OperationCanceledException)
        {
            // the machine ends
        }

        return null;
    }

    /// <summary>Goes to whoever hosts the switch, or hosts it.</summary>
    /// <returns>Null if it makes sense to try again: somebody else is about to host it, or has just ceased to.</returns>
    /// <exception cref="IOException">The host does not want this machine, or there can be none.</exception>
    private FrameChannel? TryJoin()
    {
        Socket? socket = NamedSwitchClient.TryConnect(_place);
        if (socket is null)
        {
            Volatile.Write(ref _host, _host ?? NamedSwitchHost.TryStart(_place, _station.Machine, _options.IsIsolated));
            socket = _host is null ? null : NamedSwitchClient.TryConnect(_place);
        }

        if (socket is null)
        {
            return null;
        }

        try
        {
            SwitchReply reply = NamedSwitchClient.Ask(socket, _place, Request(), _reply, _ending.Token);
            _failure = reply.Refusal;
            if (reply.Refusal is { } refusal && !reply.IsPassing)
            {
                throw new IOException(refusal);
            }

            if (reply.Refusal is null)
            {
                return new FrameChannel(socket);
            }

            socket.Dispose();
            return null;
        }
        catch (TimeoutException error)
        {
            int process = PeerCredentials.Of(socket).ProcessId;
            socket.Dispose();
            throw new IOException(
                $"Process {process}, which hosts the switch {_place.Name}, does not answer; let it go on or end it.", error);
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null; // the host has just ended
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private SwitchRequest Request() => new()
    {
        Join = new SwitchJoin
        {
            Machine = _station.Machine,
            Mac = _station.Mac.ToString(),
            Isolated = _options.IsIsolated,
            Address = _address == 0 ? null : new Ipv4Address(_address).ToString(),
            Vlan = _options.Vlan,
            DelayMilliseconds = _options.Conditions.Delay.TotalMilliseconds,
            Loss = _options.Conditions.Loss,
            BytesPerSecond = _options.Conditions.BytesPerSecond,
        },
    };

    /// <summary>A new host's DHCP server has to know which addresses are in use: the machines tell it.</summary>
    private void RememberAddress(ReadOnlySpan<byte> frame)
    {
        const int source = EthernetFrame.HeaderSize + 12;
        bool isOwn = frame.Length >= source + 4 && BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) == EthernetFrame.TypeIpv4
            && MacAddress.Read(frame[MacAddress.Size..]) == _station.Mac;
        if (isOwn && Ipv4Address.Read(frame[source..]) is { Value: not 0 } address)
        {
            _address = address.Value;
        }
    }
}
