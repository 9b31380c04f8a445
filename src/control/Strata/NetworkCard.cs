using Strata.Machines.Boards;
using Strata.Networking.Frames;
using Strata.Networking.NamedSwitches;
using Strata.Networking.Nat;

namespace Strata;

/// <summary>A network card of a machine, and what it is plugged into.</summary>
/// <param name="Plug">The network at the other end of its cable.</param>
public sealed partial record NetworkCard(NetworkPlug Plug)
{
    /// <summary>The card's address; null for one that is unique on its network.</summary>
    public MacAddress? Mac { get; init; }

    /// <summary>Which chip the card is.</summary>
    public NetworkCardModel Model { get; init; }

    /// <summary>File that receives every frame in pcap format, as tcpdump and Wireshark read it; null for none.</summary>
    public string? Capture { get; init; }

    /// <summary>
    /// A private network with router, DHCP and DNS whose connections the host makes in the machine's name; no privileges needed.
    /// </summary>
    public static NetworkCard User(UserNetworkOptions? options = null) => new(new NetworkPlug.User(options ?? new UserNetworkOptions()));

    /// <summary>
    /// A switch that machines of this user share by its name, in as many processes as there are: see docs/networking.md. It is there as
    /// long as one of them is.
    /// </summary>
    /// <exception cref="StrataException">No switch can have the name.</exception>
    public static NetworkCard Switch(string name, NamedSwitchOptions? options = null) =>
        new(new NetworkPlug.Switch(name, options ?? new NamedSwitchOptions()));

    /// <summary>
    /// A tap interface of the Linux host, which makes it if it does not exist; takes root or an interface made for the user.
    /// </summary>
    /// <exception cref="StrataException">No interface can have the name.</exception>
    public static NetworkCard Tap(string name) => new(new NetworkPlug.Tap(name));

    /// <summary>A network of this process: the one with this name in <see cref="MachineAttachments.Networks"/>.</summary>
    public static NetworkCard Attached(string name) => new(new NetworkPlug.Attachment(name));
}
