namespace Strata.Virtio.Network;

/// <summary>
/// Numbers of virtio-net. Virtual I/O Device (VIRTIO) 1.2, "Network Device", "Feature bits" and "Device configuration layout".
/// <code>
/// configuration: 0 mac (48)   6 status (16)   8 max_virtqueue_pairs (16)   10 mtu (16)
/// </code>
/// </summary>
internal static class NetworkLayout
{
    public const ulong VIRTIO_NET_F_CSUM = 1 << 0;
    public const ulong VIRTIO_NET_F_GUEST_CSUM = 1 << 1;
    public const ulong VIRTIO_NET_F_MTU = 1 << 3;
    public const ulong VIRTIO_NET_F_MAC = 1 << 5;
    public const ulong VIRTIO_NET_F_GUEST_TSO4 = 1 << 7;
    public const ulong VIRTIO_NET_F_GUEST_TSO6 = 1 << 8;
    public const ulong VIRTIO_NET_F_HOST_TSO4 = 1 << 11;
    public const ulong VIRTIO_NET_F_HOST_TSO6 = 1 << 12;
    public const ulong VIRTIO_NET_F_MRG_RXBUF = 1 << 15;
    public const ulong VIRTIO_NET_F_STATUS = 1 << 16;
    public const ulong VIRTIO_NET_F_CTRL_VQ = 1 << 17;
    public const ulong VIRTIO_NET_F_GUEST_ANNOUNCE = 1 << 21;
    public const ulong VIRTIO_NET_F_MQ = 1 << 22;

    public const int ConfigurationSize = 12;
    public const int StatusField = 6;
    public const int PairsField = 8;
    public const int MtuField = 10;

    public const ushort VIRTIO_NET_S_LINK_UP = 1;
    public const ushort VIRTIO_NET_S_ANNOUNCE = 2;

    /// <summary>Bytes of a MAC address.</summary>
    public const int MacSize = 6;

    /// <summary>Bytes; RFC 791's least.</summary>
    public const ushort SmallestMtu = 68;
}
