using System.Buffers.Binary;
using System.Text;
using Strata.Core.Bus;
using Strata.Core.Sharing;
using Strata.Virtio.Queue;

namespace Strata.Virtio.FileSystem;

/// <summary>
/// virtio-fs: a share that the guest mounts by its tag. Virtual I/O Device (VIRTIO) 1.2, "File System Device". Queue 0 is for
/// requests without an answer, queue 1 for all others.
/// </summary>
public sealed partial class VirtioFileSystem : VirtioDevice<VirtioFileSystemState>
{
    /// <summary>Bytes of a tag in UTF-8.</summary>
    public const int LongestTag = 36;

    private readonly IFileShare _share;
    private readonly FuseServer _server;
    private readonly byte[] _configuration = new byte[LongestTag + 4];

    /// <param name="share">Disposed with the device.</param>
    /// <param name="tag">1 to <see cref="LongestTag"/> bytes in UTF-8.</param>
    /// <param name="validity">How long the guest may use names and attributes without asking; content follows them.</param>
    public VirtioFileSystem(AddressSpace memory, IFileShare share, string tag, TimeSpan validity = default)
        : base(memory, queues: 2, "strata-share")
    {
        byte[] name = Encoding.UTF8.GetBytes(tag);
        if (name.Length is 0 or > LongestTag)
        {
            throw new ArgumentException($"A share's tag has 1 to {LongestTag} bytes; \"{tag}\" has {name.Length}.", nameof(tag));
        }

        _share = share;
        _server = new FuseServer(memory, share, validity);
        name.CopyTo(_configuration, 0);
        BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(LongestTag), 1); // request queues
    }

    public override ushort DeviceType => 26;

    public override uint ClassCode => 0x018000;

    public override ReadOnlySpan<byte> Configuration => _configuration;

    protected override void OnDriverChanged()
    {
        if (DriverFeatures == 0)
        {
            _server.Reset();
        }
    }

    protected override uint Process(int queue, DescriptorChain chain) => _server.Serve(chain);

    protected override void Dispose(bool disposing)
    {
        _share.Dispose();
        base.Dispose(disposing);
    }
}
