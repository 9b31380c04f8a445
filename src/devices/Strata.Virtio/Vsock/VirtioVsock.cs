using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Virtio.Queue;

namespace Strata.Virtio.Vsock;

/// <summary>
/// virtio-vsock: stream sockets between the host and the guest, without a network. Virtual I/O Device (VIRTIO) 1.2, "Socket
/// Device". Queue 0 carries packets to the guest, queue 1 from it, queue 2 events.
/// </summary>
public sealed partial class VirtioVsock : VirtioDevice<VirtioVsockState>
{
    private const int ReceiveQueue = 0;
    private const int TransmitQueue = 1;
    private const int EventQueue = 2;

    /// <summary>Bytes of content in one packet; what Linux sends at most.</summary>
    private const int LargestPacket = 64 << 10;

    private readonly VsockHub _hub;
    private readonly byte[] _configuration = new byte[8];
    private readonly byte[] _content = new byte[LargestPacket]; // the worker's

    public VirtioVsock(AddressSpace memory)
        : base(memory, queues: 3, "strata-vsock")
    {
        _hub = new VsockHub(Notify);
        BinaryPrimitives.WriteUInt64LittleEndian(_configuration, VsockHub.GuestCid);
    }

    public override ushort DeviceType => 19;

    public override uint ClassCode => 0x078000;

    public override ReadOnlySpan<byte> Configuration => _configuration;

    /// <summary>Connects to a port that a program in the guest listens on; waits until the guest's driver is loaded.</summary>
    /// <exception cref="VsockException">Nothing listens there, or the machine has ended.</exception>
    public Task<VsockStream> ConnectAsync(uint port, CancellationToken cancellationToken = default) =>
        _hub.ConnectAsync(port, cancellationToken);

    /// <summary>Lets the guest connect to a port of the host, which has CID 2.</summary>
    /// <exception cref="VsockException">The port is taken.</exception>
    public VsockListener Listen(uint port) => _hub.Listen(port);

    /// <summary>The machine has ended: every connection and listener ends, too.</summary>
    public void Close() => _hub.Close();

    protected override bool HasWork(int queue) => queue switch
    {
        ReceiveQueue => _hub.HasOutgoing && !IsHeldBack(),
        TransmitQueue => _hub.CanReceive,
        _ => MustReportReset(),
    };

    protected override uint Process(int queue, DescriptorChain chain)
    {
        if (queue == ReceiveQueue)
        {
            return Send(chain);
        }

        if (queue == EventQueue)
        {
            return ReportReset(chain);
        }

        Receive(chain);
        if (_hub.HasOutgoing)
        {
            Notify(); // queue 0 was looked at before this one
        }

        return 0;
    }

    protected override void OnDriverChanged()
    {
        if (DriverFeatures == 0)
        {
            _hub.Reset();
            _reset = VsockResetProgress.None;
        }
    }

    protected override void Dispose(bool disposing)
    {
        _hub.Close();
        base.Dispose(disposing);
    }

    private uint Send(DescriptorChain chain)
    {
        bool couldReceive = _hub.CanReceive;
        int room = (int)Math.Clamp(chain.WritableLength - VsockHeader.Size, -1, LargestPacket);
        if (room < 0 || !_hub.TryTake(_content.AsSpan(0, room), out VsockHeader header))
        {
            return 0;
        }

        if (!couldReceive)
        {
            Notify(); // queue 1 can go on
        }

        Span<byte> bytes = stackalloc byte[VsockHeader.Size];
        header.Write(bytes);
        ChainWriter writer = new(Memory, chain);
        return writer.TryWrite(bytes) && writer.TryWrite(_content.AsSpan(0, (int)header.Length)) ? writer.Taken : 0;
    }

    private void Receive(DescriptorChain chain)
    {
        ChainReader reader = new(Memory, chain);
        Span<byte> bytes = stackalloc byte[VsockHeader.Size];
        if (!reader.TryRead(bytes, out int count) || count < bytes.Length)
        {
            return;
        }

        VsockHeader header = VsockHeader.Parse(bytes);
        if (header.Length > LargestPacket || !reader.TryRead(_content.AsSpan(0, (int)header.Length), out count) || count < header.Length)
        {
            return;
        }

        _hub.Receive(header, header.Operation == VsockOperation.Data ? _content.AsSpan(0, count) : default);
    }
}
