namespace Strata.Virtio.Vsock;

/// <summary>
/// One stream between a port of the host and one of the guest. All members are under the gate of <see cref="VsockHub"/>; waiters
/// are woken on other threads.
/// </summary>
internal sealed class VsockConnection(uint hostPort, uint guestPort)
{
    /// <summary>Bytes from the guest that are kept until the host's program takes them: the guest's credit.</summary>
    public const int ReceiveCapacity = 256 << 10;

    /// <summary>Bytes for the guest that are kept until it takes them.</summary>
    public const int SendCapacity = 64 << 10;

    private TaskCompletionSource? _readable;
    private TaskCompletionSource? _writable;
    private uint _forwarded;
    private uint _announced;
    private uint _sent;
    private uint _peerAllocated;
    private uint _peerForwarded;

    public uint HostPort => hostPort;

    public uint GuestPort => guestPort;

    public ByteRing Received { get; } = new(ReceiveCapacity);

    public ByteRing ToSend { get; } = new(SendCapacity);

    /// <summary>It is in the hub's queue of those that have something for the guest.</summary>
    public bool IsQueued { get; set; }

    public bool MustRequest { get; set; }

    public bool MustRespond { get; set; }

    public bool MustAnnounceCredit { get; set; }

    /// <summary>Shutdown flags for the guest, sent when everything before them has been.</summary>
    public uint MustShutDown { get; set; }

    /// <summary>Shutdown flags that were sent to the guest.</summary>
    public uint HasShutDown { get; set; }

    /// <summary>Shutdown flags that the guest sent.</summary>
    public uint PeerShutdown { get; set; }

    public bool IsConnected { get; set; }

    /// <summary>Nothing more comes or goes.</summary>
    public bool IsClosed { get; private set; }

    /// <summary>Why it broke; null after an orderly end.</summary>
    public VsockException? Error { get; private set; }

    /// <summary>Directions that this side has ended or is about to.</summary>
    public uint OwnShutdown => MustShutDown | HasShutDown;

    /// <summary>Nothing more is to be read.</summary>
    public bool IsAtEnd => IsClosed || (PeerShutdown & VsockHeader.ShutdownSend) != 0 || (OwnShutdown & VsockHeader.ShutdownReceive) != 0;

    /// <summary>Completes when the guest has answered the request to connect.</summary>
    public TaskCompletionSource Answered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Bytes that the guest can take now.</summary>
    public uint Credit
    {
        get
        {
            uint inFlight = _sent - _peerForwarded;
            return inFlight >= _peerAllocated ? 0 : _peerAllocated - inFlight;
        }
    }

    public bool HasSomething => !IsClosed && (MustRequest || MustRespond || MustAnnounceCredit
        || (IsConnected && ToSend.Count > 0 && Credit > 0) || (IsConnected && MustShutDown != 0 && ToSend.Count == 0));

    /// <summary>Takes over the credit that every packet of the guest carries.</summary>
    public void NoteCredit(in VsockHeader header)
    {
        _peerAllocated = header.BufferAllocated;
        _peerForwarded = header.ForwardCount;
    }

    public void NoteSent(int count) => _sent += (uint)count;

    /// <summary>The host's program took bytes. A quarter of the buffer is worth a packet that says so.</summary>
    public void NoteTaken(int count)
    {
        _forwarded += (uint)count;
        if (_forwarded - _announced >= ReceiveCapacity / 4)
        {
            MustAnnounceCredit = true;
        }
    }

    /// <summary>A header for the guest with the credit it has here.</summary>
    public VsockHeader Header(VsockOperation operation, int length = 0, uint flags = 0)
    {
        _announced = _forwarded;
        MustAnnounceCredit = false;
        return new VsockHeader
        {
            SourceCid = VsockHub.HostCid,
            TargetCid = VsockHub.GuestCid,
            SourcePort = hostPort,
            TargetPort = guestPort,
            Length = (uint)length,
            Type = VsockHeader.TypeStream,
            Operation = operation,
            Flags = flags,
            BufferAllocated = ReceiveCapacity,
            ForwardCount = _forwarded,
        };
    }

    public void Close(VsockException? error)
    {
        if (IsClosed)
        {
            return;
        }

        IsClosed = true;
        Error = error;
        ToSend.Clear();
        Answered.TrySetResult();
        WakeReader();
        WakeWriter();
    }

    /// <summary>Completes when there may be something to read.</summary>
    public Task WhenReadable() => (_readable ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    /// <summary>Completes when there may be room to write.</summary>
    public Task WhenWritable() => (_writable ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    public void WakeReader()
    {
        _readable?.TrySetResult();
        _readable = null;
    }

    public void WakeWriter()
    {
        _writable?.TrySetResult();
        _writable = null;
    }
}
