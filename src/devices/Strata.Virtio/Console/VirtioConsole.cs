using Strata.Core.Bus;
using Strata.Virtio.Queue;

namespace Strata.Virtio.Console;

/// <summary>
/// virtio-console with one port: /dev/hvc0 in Linux. Virtual I/O Device (VIRTIO) 1.2, "Console Device".
/// Queue 0 carries bytes to the guest, queue 1 bytes from it.
/// </summary>
/// <param name="output">Bytes the guest wrote; called on the device's thread.</param>
public sealed class VirtioConsole(AddressSpace memory, Action<ReadOnlySpan<byte>> output)
    : VirtioDevice(memory, queues: 2, "strata-console")
{
    private const int ReceiveQueue = 0;

    /// <summary>Input kept for a guest that does not take it.</summary>
    private const int InputCapacity = 4096;

    private readonly Queue<byte> _input = new(); // under its own lock, which is never held while another is taken

    public override ushort DeviceType => 3;

    public override uint ClassCode => 0x078000;

    public override ReadOnlySpan<byte> Configuration => [];

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
        if (queue != ReceiveQueue)
        {
            return true;
        }

        lock (_input)
        {
            return _input.Count > 0;
        }
    }

    protected override uint Process(int queue, DescriptorChain chain)
    {
        if (queue == ReceiveQueue)
        {
            return Fill(chain);
        }

        ChainReader reader = new(Memory, chain);
        while (reader.TryTake(int.MaxValue, out Span<byte> bytes) && !bytes.IsEmpty)
        {
            output(bytes);
        }

        return 0;
    }

    /// <summary>The input lies together from the chain's first byte on: what comes meanwhile goes into the next chain.</summary>
    private uint Fill(DescriptorChain chain)
    {
        lock (_input)
        {
            ChainWriter writer = new(Memory, chain);
            while (_input.Count > 0 && writer.TryTake(_input.Count, out Span<byte> place) && !place.IsEmpty)
            {
                for (int i = 0; i < place.Length; i++)
                {
                    place[i] = _input.Dequeue();
                }
            }

            return writer.Taken;
        }
    }
}
