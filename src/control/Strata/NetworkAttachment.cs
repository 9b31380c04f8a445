using Strata.Core.Networking;
using Strata.Networking.Frames;
using Strata.Networking.Switching;

namespace Strata;

/// <summary>A network of this process that a machine's card can be plugged into.</summary>
public sealed class NetworkAttachment
{
    private NetworkAttachment(Func<INetworkBackend> open, Func<MacAddress>? allocateMac = null)
    {
        Open = open;
        AllocateMac = allocateMac;
    }

    internal Func<INetworkBackend> Open { get; }

    /// <summary>An address that is unique on the network; null where the machine is alone on it.</summary>
    internal Func<MacAddress>? AllocateMac { get; }

    /// <summary>A port of a switch, which joins this machine with others.</summary>
    public static NetworkAttachment PortOf(VirtualSwitch network, SwitchPortOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        return new NetworkAttachment(() => network.AddPort(options), network.AllocateMac);
    }

    /// <summary>A backend of the caller's own. The machine disposes it.</summary>
    public static NetworkAttachment Of(INetworkBackend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        return new NetworkAttachment(() => backend);
    }
}
