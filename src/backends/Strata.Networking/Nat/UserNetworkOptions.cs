using System.Net;
using System.Text;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>What varies between user-mode networks. The addresses are those that guests of other monitors are used to.</summary>
public sealed record UserNetworkOptions
{
    /// <summary>Characters of the longest <see cref="BootFile"/>.</summary>
    public const int LongestBootFile = DhcpServer.LongestBootFile;

    /// <summary>Unique local (RFC 4193). Fixed, as 10.0.2.0 is: nobody outside ever sees it.</summary>
    private readonly InternetNetwork? _ipv6Network = InternetNetwork.Parse("fd53:7472:6174::/64");

    /// <summary>The guests' network.</summary>
    public Ipv4Network Network { get; init; } = new(Ipv4Address.Parse("10.0.2.0"), 24);

    /// <summary>The router; it also stands for the host's loopback address.</summary>
    public Ipv4Address Gateway { get; init; } = Ipv4Address.Parse("10.0.2.2");

    /// <summary>The name server; it stands for the host's.</summary>
    public Ipv4Address Dns { get; init; } = Ipv4Address.Parse("10.0.2.3");

    /// <summary>The address of the first guest that asks for one; the following ones get the next.</summary>
    public Ipv4Address FirstGuest { get; init; } = Ipv4Address.Parse("10.0.2.15");

    /// <summary>
    /// The guests' IPv6 network, a /64, in which they choose their addresses themselves: its ::2 is the router and stands for the host's
    /// ::1, its ::3 is the name server. Null for no IPv6; nor is there any with an <see cref="Mtu"/> below 1280.
    /// </summary>
    public InternetNetwork? Ipv6Network
    {
        get => Mtu < Ipv6Packet.SmallestMtu ? null : _ipv6Network;
        init => _ipv6Network = value;
    }

    /// <summary>The router's address in <see cref="Ipv6Network"/>.</summary>
    public InternetAddress? Ipv6Gateway => InIpv6Network(2);

    /// <summary>The name server's address in <see cref="Ipv6Network"/>.</summary>
    public InternetAddress? Ipv6Dns => InIpv6Network(3);

    /// <summary>
    /// Whether guests are told that the router leads to the IPv6 Internet. Null asks the host from time to time: it does with a route
    /// there and a global address of its own.
    /// </summary>
    public bool? HasIpv6WayOut { get; init; }

    /// <summary>The host's name server; null reads it from /etc/resolv.conf at each query.</summary>
    public IPEndPoint? Resolver { get; init; }

    /// <summary>Ports of the host that lead into the guest.</summary>
    public IReadOnlyList<PortForward> Forwards { get; init; } = [];

    /// <summary>
    /// A folder of the host whose files the router gives to guests by TFTP, for boot loaders from the network; they cannot change it. Null
    /// for none.
    /// </summary>
    public string? TftpFolder { get; init; }

    /// <summary>
    /// What DHCP names as the file to start from, in <see cref="TftpFolder"/>; iPXE takes a whole URL as well. At most 127 characters of
    /// ASCII; null for none.
    /// </summary>
    public string? BootFile { get; init; }

    /// <summary>Where guests may connect to.</summary>
    public EgressPolicy Egress { get; init; } = EgressPolicy.AllowAll;

    /// <summary>Most TCP connections at a time.</summary>
    public int MaxConnections { get; init; } = 1024;

    /// <summary>Most UDP conversations at a time; the least recently used one ends for a new one.</summary>
    public int MaxUdpFlows { get; init; } = 512;

    /// <summary>Most bytes that all connections buffer together.</summary>
    public long MaxBufferedBytes { get; init; } = 64 << 20;

    /// <summary>Bytes of the largest IP packet to a guest without segmentation offload, 576..65535.</summary>
    public int Mtu { get; init; } = 1500;

    /// <summary>Whether forwarded ports lead to the guest of <see cref="UserNetwork.SetGuest"/>, of which there is none at first.</summary>
    internal bool WaitsForGuest { get; init; }

    /// <exception cref="ArgumentException">No guest could have an address in the IPv6 network, or be told the boot file.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no <see cref="TftpFolder"/>.</exception>
    internal void Check()
    {
        if (BootFile is { } file && (file.Length is 0 or > DhcpServer.LongestBootFile || !Ascii.IsValid(file)))
        {
            throw new ArgumentException(
                $"\"{file}\" cannot be named as a boot file: that has 1 to {DhcpServer.LongestBootFile} characters of ASCII.");
        }

        if (TftpFolder is { } folder && !Directory.Exists(folder))
        {
            throw new DirectoryNotFoundException($"There is no folder {folder} for TFTP; make it, or name another.");
        }

        const int interfaceBits = 64;
        bool isGood = Ipv6Network is not { } network
            || (network.PrefixLength == interfaceBits
                && network.Address is { IsIpv4: false, IsMulticast: false, IsLinkLocal: false, IsReserved: false }
                && (ulong)network.Address.Value == 0);
        if (!isGood)
        {
            throw new ArgumentException(
                $"{Ipv6Network} is no IPv6 network for guests: write a prefix of 64 bits of their own, such as fd00:1:2:3::/64.");
        }
    }

    private InternetAddress? InIpv6Network(uint station) =>
        Ipv6Network is { } network ? new InternetAddress(network.Address.Value + station) : null;
}
