using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Virtio.Queue;

namespace Strata.Virtio.Network;

/// <summary>
/// Commands of the control queue. Virtual I/O Device (VIRTIO) 1.2, "Network Device", "Control Virtqueue", "Gratuitous Packet Sending" and
/// "Automatic receive steering in multiqueue mode".
/// <code>
/// command: 0 class (8)  1 command (8)   data …   ack (8, device-written)
/// VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET: data is virtqueue_pairs (16)
/// VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK: no data
/// </code>
/// </summary>
internal static class NetworkControl
{
    private const byte VIRTIO_NET_OK = 0;
    private const byte VIRTIO_NET_ERR = 1;
    private const byte VIRTIO_NET_CTRL_ANNOUNCE = 3;
    private const byte VIRTIO_NET_CTRL_ANNOUNCE_ACK = 0;
    private const byte VIRTIO_NET_CTRL_MQ = 4;
    private const byte VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET = 0;
    private const int HeaderSize = 2;

    /// <summary>Executes a command.</summary>
    /// <param name="mostPairs">What the driver may ask for; zero if it did not negotiate several.</param>
    /// <param name="pairs">Changed by a command that says so.</param>
    /// <param name="mustAnnounce">Cleared by a driver that has announced itself.</param>
    /// <returns>Bytes written into the chain: zero where it has no place for an answer, and then nothing was executed.</returns>
    public static uint Execute(AddressSpace memory, DescriptorChain chain, int mostPairs, ref int pairs, ref bool mustAnnounce)
    {
        ChainWriter writer = new(memory, chain);
        if (!writer.TryTake(1, out DmaWrite acknowledgment) || acknowledgment.IsEmpty)
        {
            return 0;
        }

        using DmaWrite answer = acknowledgment;

        Span<byte> command = stackalloc byte[HeaderSize + sizeof(ushort) + 1]; // a byte more, to see what is too long
        ChainReader reader = new(memory, chain);
        bool isGood = reader.TryRead(command, out int length);
        switch ((command[0], command[1], length - HeaderSize))
        {
            case (VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, sizeof(ushort)):
                int wanted = BinaryPrimitives.ReadUInt16LittleEndian(command[HeaderSize..]);
                isGood &= wanted >= 1 && wanted <= mostPairs;
                pairs = isGood ? wanted : pairs;
                break;
            case (VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, 0):
                mustAnnounce &= !isGood;
                break;
            default:
                isGood = false;
                break;
        }

        answer.Span[0] = isGood ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
        return 1;
    }
}
