using Strata.Control;
using Strata.Core.Networking;
using Strata.Core.Time;
using Strata.Networking.Frames;
using Strata.Networking.NamedSwitches;
using Strata.Networking.Nat;
using Strata.Networking.Switching;
using Strata.Networking.Tap;

namespace Strata;

/// <summary>A network card of a machine, and what it is plugged into.</summary>
public sealed record NetworkCard
{
    private NetworkCard(Func<NetworkSurroundings, INetworkBackend> open) => Open = open;

    /// <summary>The card's address; null for one that is unique on its network.</summary>
    public MacAddress? Mac { get; init; }

    /// <summary>File that receives every frame in pcap format, as tcpdump and Wireshark read it; null for none.</summary>
    public string? Capture { get; init; }

    internal Func<NetworkSurroundings, INetworkBackend> Open { get; }

    /// <summary>The card's address where several machines share a network: of the machine's name, or new at each start.</summary>
    internal Func<string?, MacAddress>? AllocateMac { get; private init; }

    internal UserNetworkOptions? UserOptions { get; private init; }

    /// <summary>A private network with router, DHCP and DNS whose connections the host makes in the machine's name; no privileges needed.</summary>
    public static NetworkCard User(UserNetworkOptions? options = null)
    {
        UserNetworkOptions chosen = options ?? new UserNetworkOptions();
        return new NetworkCard(machine => new UserNetwork(chosen, machine.Clock)) { UserOptions = chosen };
    }

    /// <summary>A port of a switch, which joins this machine with others.</summary>
    public static NetworkCard Switch(VirtualSwitch network, SwitchPortOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        return new NetworkCard(_ => network.AddPort(options)) { AllocateMac = _ => network.AllocateMac() };
    }

    /// <summary>
    /// A switch that machines of this user share by its name, in as many processes as there are: see docs/networking.md. It is there as
    /// long as one of them is.
    /// </summary>
    public static NetworkCard Switch(string name, NamedSwitchOptions? options = null)
    {
        SwitchRegistry registry = new();
        registry.PlaceOf(name);
        return new NetworkCard(machine => Join(registry, name, machine, options)) { AllocateMac = machine => SwitchRegistry.CreateMac(name, machine) };
    }

    /// <summary>A tap interface of the Linux host, which makes it if it does not exist; takes root or an interface made for the user.</summary>
    /// <exception cref="StrataException">No interface can have the name.</exception>
    public static NetworkCard Tap(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!TapNetwork.IsName(name))
        {
            string shown = Printable.Text(name);
            throw new StrataException(
                StrataError.BadInput, $"\"{shown}\" can name no network interface; use 1 to {TapNetwork.LongestName} letters, digits and dashes, such as --net tap=tap0.");
        }

        return new NetworkCard(_ => new TapNetwork(name));
    }

    private static INetworkBackend Join(SwitchRegistry registry, string name, NetworkSurroundings machine, NamedSwitchOptions? options)
    {
        NamedSwitchPort port = registry.Join(name, machine, options);
        try
        {
            return options is { Forwards: { Count: > 0 } forwards } ? new PortForwarder(port, machine.Mac, forwards, machine.Clock) : port;
        }
        catch
        {
            port.Dispose();
            throw;
        }
    }

    /// <summary>A backend of the caller's own. The machine disposes it.</summary>
    public static NetworkCard Custom(INetworkBackend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        return new NetworkCard(_ => backend);
    }
}

/// <summary>What a card's network may need to know of the machine.</summary>
/// <param name="Clock">For protocols.</param>
/// <param name="MachineName">What others call the machine, or null.</param>
/// <param name="Mac">The card's address.</param>
internal sealed record NetworkSurroundings(IVirtualClock Clock, string? MachineName, MacAddress Mac);
