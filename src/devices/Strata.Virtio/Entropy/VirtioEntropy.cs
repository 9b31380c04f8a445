using System.Security.Cryptography;
using Strata.Core.Bus;
using Strata.Virtio.Queue;

namespace Strata.Virtio.Entropy;

/// <summary>virtio-rng: fills buffers from the host's random source. Virtual I/O Device (VIRTIO) 1.2, "Entropy Device".</summary>
public sealed class VirtioEntropy(AddressSpace memory) : VirtioDevice(memory, queues: 1, "strata-entropy")
{
    /// <summary>Most bytes given for one request: a guest cannot make the host produce gigabytes.</summary>
    private const uint LargestRequest = 1 << 16;

    public override ushort DeviceType => 4;

    public override uint ClassCode => 0x0CFFFF;

    public override ReadOnlySpan<byte> Configuration => [];

    protected override uint Process(int queue, DescriptorChain chain)
    {
        uint written = 0;
        foreach (GuestBuffer buffer in chain.Buffers)
        {
            uint length = Math.Min(buffer.Length, LargestRequest - written);
            if (buffer.IsWritable && length > 0 && Memory.TryGetSpan(buffer.Address, length, forWriting: true, out Span<byte> place))
            {
                RandomNumberGenerator.Fill(place);
                written += length;
            }
        }

        return written;
    }
}
