using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Virtio.Queue;
using static Strata.Virtio.Console.ConsoleLayout;

namespace Strata.Virtio.Console;

/// <summary>
/// virtio-console with one port: /dev/hvc0 in Linux. Virtual I/O Device (VIRTIO) 1.2, "Console Device".
/// Queue 0 carries bytes to the guest, queue 1 bytes from it, queues 2 and 3 control messages, likewise.
/// <para>Several ports are offered, although there is one, for the sake of PORT_OPEN: Linux throws away what reaches a port before it
/// has connected the port to its console, and says so by that message only. Until then, and while the port is closed, input waits. A
/// driver that does not take the feature gets it as soon as it has buffers.</para>
/// </summary>
public sealed partial class VirtioConsole : VirtioDevice<VirtioConsoleState>
{
    private const int ReceiveQueue = 0;
    private const int TransmitQueue = 1;
    private const int ControlReceiveQueue = 2;
    private const int ControlTransmitQueue = 3;
    private const uint OnlyPort = 0;

    /// <summary>Input kept for a guest that does not take it, in bytes: as many as the serial port keeps.</summary>
    internal const int InputCapacity = 1 << 16;

    /// <summary>Messages kept for a driver that asks for them and does not take them; more are lost.</summary>
    internal const int MostMessages = 16;

    private readonly Action<ReadOnlySpan<byte>> _output;
    private readonly byte[] _configuration = new byte[ConfigurationSize];
    private readonly Queue<byte> _input = new(); // under its own lock, which is never held while another is taken
    private readonly Queue<(ushort Event, ushort Value)> _messages = new(); // for the driver; under Gate
    private volatile bool _isOpen; // the driver's side of the port; written under Gate

    /// <param name="output">Bytes the guest wrote; called on the device's thread.</param>
    public VirtioConsole(AddressSpace memory, Action<ReadOnlySpan<byte>> output)
        : base(memory, queues: 4, "strata-console")
    {
        _output = output;
        BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(MaxNrPorts), 1);
    }

    public override ushort DeviceType => 3;

    public override uint ClassCode => 0x078000;

    public override ulong Features => VIRTIO_CONSOLE_F_MULTIPORT;

    public override ReadOnlySpan<byte> Configuration => _configuration;

    /// <summary>Bytes for the guest. Any thread.</summary>
    /// <returns>How many were taken; the rest has to be offered again.</returns>
    public int Receive(ReadOnlySpan<byte> bytes)
    {
        int taken;
        lock (_input)
        {
            taken = Math.Min(bytes.Length, InputCapacity - _input.Count);
            foreach (byte b in bytes[..taken])
            {
                _input.Enqueue(b);
            }
        }

        Notify();
        return taken;
    }

    protected override bool HasWork(int queue)
    {
        switch (queue)
        {
            case ReceiveQueue:
                lock (_input)
                {
                    return _input.Count > 0 && (_isOpen || !HasControl);
                }

            case ControlReceiveQueue:
                lock (Gate)
                {
                    return _messages.Count > 0;
                }

            default:
                return true;
        }
    }

    protected override uint Process(int queue, DescriptorChain chain)
    {
        switch (queue)
        {
            case ReceiveQueue:
                return Fill(chain);
            case TransmitQueue:
                Print(chain);
                return 0;
            case ControlReceiveQueue:
                return SendMessage(chain);
            default:
                OnMessage(chain);
                return 0;
        }
    }

    protected override void OnDriverChanged()
    {
        if (DriverFeatures == 0)
        {
            _isOpen = false;
            _messages.Clear();
        }
    }

    private bool HasControl => (DriverFeatures & VIRTIO_CONSOLE_F_MULTIPORT) != 0;

    private void Print(DescriptorChain chain)
    {
        ChainReader reader = new(Memory, chain);
        while (reader.TryTake(int.MaxValue, out ReadOnlySpan<byte> bytes) && !bytes.IsEmpty)
        {
            _output(bytes);
        }
    }

    /// <summary>The input lies together from the chain's first byte on: what comes meanwhile goes into the next chain.</summary>
    private uint Fill(DescriptorChain chain)
    {
        lock (_input)
        {
            ChainWriter writer = new(Memory, chain);
            while (_input.Count > 0 && writer.TryTake(_input.Count, out DmaWrite write) && !write.IsEmpty)
            {
                using (write)
                {
                    for (int i = 0; i < write.Span.Length; i++)
                    {
                        write.Span[i] = _input.Dequeue();
                    }
                }
            }

            return writer.Taken;
        }
    }

    private uint SendMessage(DescriptorChain chain)
    {
        (ushort what, ushort value) = _messages.Dequeue();
        Span<byte> message = stackalloc byte[ControlSize];
        BinaryPrimitives.WriteUInt32LittleEndian(message, OnlyPort);
        BinaryPrimitives.WriteUInt16LittleEndian(message[4..], what);
        BinaryPrimitives.WriteUInt16LittleEndian(message[6..], value);
        ChainWriter writer = new(Memory, chain);
        return writer.TryWrite(message) ? writer.Taken : 0;
    }

    /// <summary>The driver finds the port by being told, says that it has set it up, hears that it is a console, and opens it.</summary>
    private void OnMessage(DescriptorChain chain)
    {
        ChainReader reader = new(Memory, chain);
        Span<byte> message = stackalloc byte[ControlSize];
        if (!reader.TryRead(message, out int count) || count < ControlSize)
        {
            return;
        }

        uint port = BinaryPrimitives.ReadUInt32LittleEndian(message);
        bool isYes = BinaryPrimitives.ReadUInt16LittleEndian(message[6..]) == 1;
        switch (BinaryPrimitives.ReadUInt16LittleEndian(message[4..]))
        {
            case VIRTIO_CONSOLE_DEVICE_READY when isYes:
                Say(VIRTIO_CONSOLE_DEVICE_ADD);
                break;
            case VIRTIO_CONSOLE_PORT_READY when isYes && port == OnlyPort:
                Say(VIRTIO_CONSOLE_CONSOLE_PORT);
                Say(VIRTIO_CONSOLE_PORT_OPEN);
                break;
            case VIRTIO_CONSOLE_PORT_OPEN when port == OnlyPort:
                _isOpen = isYes;
                break;
            default:
                break; // failures of the driver's, and events that are no driver's to send
        }

        Notify(ReceiveQueue); // the queues before this one were looked at already
    }

    private void Say(ushort what)
    {
        if (_messages.Count < MostMessages)
        {
            _messages.Enqueue((what, 1));
        }
    }
}
