using System.Net.Sockets;
using Strata.Core.Networking;
using Strata.Networking.Frames;
using Strata.Networking.Switching;

namespace Strata.Networking.NamedSwitches;

/// <summary>
/// The host's side of one connection to a named switch: at first a stranger who has to say what he wants, then what a machine's port
/// takes for its card. Has a thread, which carries the machine's frames through the switch; others' threads bring frames for it.
/// </summary>
internal sealed class HostedPort : IFrameReceiver, IChannelReader, IDisposable
{
    private static readonly TimeSpan RequestPatience = TimeSpan.FromSeconds(10);

    private readonly NamedSwitchHost _host;
    private readonly FrameChannel _channel;
    private readonly Thread _thread;
    private volatile SwitchPort? _port;

    /// <param name="socket">The connection, owned from here on.</param>
    public HostedPort(NamedSwitchHost host, Socket socket, int processId)
    {
        _host = host;
        ProcessId = processId;
        _channel = new FrameChannel(socket);
        _thread = new Thread(Run) { IsBackground = true, Name = "strata-switch-port" };
    }

    public int ProcessId { get; }

    /// <summary>Null before the machine was admitted, and for who only asks.</summary>
    public SwitchPort? Port => _port;

    /// <summary>Written once, under the host's lock, before <see cref="Port"/>.</summary>
    public string Machine { get; private set; } = string.Empty;

    /// <inheritdoc cref="Machine"/>
    public MacAddress Mac { get; private set; }

    /// <summary>All of it: the machine's own process finishes what its guest cannot.</summary>
    public FrameFeatures Accepts => FrameFeatures.PartialChecksum | FrameFeatures.Tcp4Segmentation | FrameFeatures.Tcp6Segmentation;

    public void Start() => _thread.Start();

    public void Stop() => _channel.Stop();

    /// <summary>Ends the connection and waits for its thread. Not on that thread, nor under a lock.</summary>
    public void Dispose()
    {
        _channel.Stop();
        _thread.Join();
        _channel.Dispose();
    }

    /// <summary>The host admits the machine.</summary>
    public void Plug(SwitchPort port, string machine, MacAddress mac)
    {
        Machine = machine;
        Mac = mac;
        _port = port;
    }

    public bool TryReceive(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload)
    {
        if (head.Length + payload.Length > SwitchMessage.LargestFrame)
        {
            return true; // no card could take it
        }

        Span<byte> header = stackalloc byte[SwitchMessage.FrameHeaderSize];
        SwitchMessage.WriteFrameHeader(header, offload);
        return _channel.TrySend(header, head, payload);
    }

    public void SetCarrier(bool up)
    {
        // Nobody cuts a port of a named switch: a machine's own end of the cable is pulled in its own process.
    }

    public Delivery OnMessage(ReadOnlySpan<byte> message)
    {
        if (_port is not { } port)
        {
            return OnRequest(message);
        }

        if (!SwitchMessage.TryReadFrame(message, out ReadOnlySpan<byte> frame, out FrameOffload offload))
        {
            return Delivery.Last;
        }

        port.Send(frame, offload); // what finds no room at its receiver is lost: waiting for it would keep frames for others back
        return Delivery.Taken;
    }

    public void OnRoom() => _port?.Resume();

    private void Run()
    {
        try
        {
            _channel.Run(this, RequestPatience);
        }
        finally
        {
            _host.Remove(this);
            _port?.Dispose();
            _port?.Resume(); // who waited for room here waits for nobody now
            _channel.Dispose();
        }
    }

    private Delivery OnRequest(ReadOnlySpan<byte> message)
    {
        SwitchRequest? request = SwitchJson.ReadRequest(message);
        if (request is null)
        {
            return Delivery.Last;
        }

        if (request.Version != SwitchRequest.CurrentVersion)
        {
            _channel.TrySend(SwitchJson.Write(new SwitchReply
            {
                Refusal = $"The switch is hosted by another version of Strata (protocol {SwitchRequest.CurrentVersion}, not " +
                    $"{request.Version}): run all of its machines with the same.",
            }));
            return Delivery.Last;
        }

        return request.Join is { } join ? Admit(join) : Describe();
    }

    private Delivery Admit(SwitchJoin join)
    {
        SwitchReply reply = _host.Admit(this, join);
        _channel.TrySend(SwitchJson.Write(reply)); // the first message: there is room
        if (_port is not { } port)
        {
            return Delivery.Last;
        }

        port.Connect(this); // from here on frames follow
        return Delivery.Taken;
    }

    private Delivery Describe()
    {
        (NamedSwitchDescription description, NamedSwitchPortDescription[] ports) = _host.Describe();
        _channel.TrySend(SwitchJson.Write(new SwitchReply { Description = description, PortCount = ports.Length }));
        Array.ForEach(ports, port => _channel.TrySend(SwitchJson.Write(port))); // some 200 KiB at most: the socket holds them
        return Delivery.Last;
    }
}
