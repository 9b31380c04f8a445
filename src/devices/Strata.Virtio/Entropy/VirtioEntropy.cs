using System.Security.Cryptography;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Virtio.Queue;

namespace Strata.Virtio.Entropy;

/// <summary>virtio-rng: fills buffers with random bytes. Virtual I/O Device (VIRTIO) 1.2, "Entropy Device".</summary>
/// <param name="fill">Source of the bytes; null for the host's random source.</param>
public sealed partial class VirtioEntropy(AddressSpace memory, VirtioEntropy.Filler? fill = null)
    : VirtioDevice<VirtioEntropyState>(memory, queues: 1, "strata-entropy")
{
    /// <summary>Most bytes given for one request: a guest cannot make the host produce gigabytes.</summary>
    private const uint LargestRequest = 1 << 16;

#pragma warning disable RS0030 // the default, where nobody asks for a repeatable run
    private readonly Filler _fill = fill ?? RandomNumberGenerator.Fill;
#pragma warning restore RS0030

    /// <summary>Fills bytes at random.</summary>
    public delegate void Filler(Span<byte> bytes);

    public override ushort DeviceType => 4;

    public override uint ClassCode => 0x0CFFFF;

    public override ReadOnlySpan<byte> Configuration => [];

    protected override uint Process(int queue, DescriptorChain chain)
    {
        uint written = 0;
        foreach (GuestBuffer buffer in chain.Buffers)
        {
            uint length = Math.Min(buffer.Length, LargestRequest - written);
            if (buffer.IsWritable && length > 0 && Memory.TryBeginWrite(buffer.Address, length, out DmaWrite write))
            {
                using (write)
                {
                    _fill(write.Span);
                }

                written += length;
            }
        }

        return written;
    }
}
