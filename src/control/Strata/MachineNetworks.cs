using Strata.Core.Networking;
using Strata.Core.Time;
using Strata.Machines.Boards;
using Strata.Networking.Capture;
using Strata.Networking.Frames;
using Strata.Networking.NamedSwitches;
using Strata.Networking.Nat;

namespace Strata;

/// <summary>The opened backends of a machine's network cards, and the clock of their protocols.</summary>
internal sealed class MachineNetworks : IDisposable
{
    /// <summary>Of cards that are alone on their network; locally administered.</summary>
    private const ulong FirstMac = 0x5254_0012_3456;

    private readonly RealTimeClock? _clock;
    private readonly List<NetworkCardOptions> _cards = [];
    private readonly List<INetworkBackend> _backends = []; // as the cards asked for them
    private readonly List<INetworkBackend> _opened = [];   // the same with captures around them

    private MachineNetworks(RealTimeClock? clock) => _clock = clock;

    public IReadOnlyList<NetworkCardOptions> Cards => _cards;

    /// <exception cref="StrataException">A network cannot be had; the message says why.</exception>
    public static MachineNetworks Open(IReadOnlyList<NetworkCard> cards, string? machineName)
    {
        RealTimeClock? clock = cards.Count == 0 ? null : new RealTimeClock();
        clock?.Start();
        MachineNetworks networks = new(clock);
        try
        {
            foreach (NetworkCard card in cards)
            {
                networks.Add(card, clock!, machineName);
            }

            return networks;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            networks.Dispose();
            throw new StrataException(StrataError.Host, error.Message, error);
        }
        catch
        {
            networks.Dispose();
            throw;
        }
    }

    public IReadOnlyList<ForwardedPort> ForwardedPorts =>
        [.. _backends.SelectMany(network => network switch
        {
            UserNetwork user => user.ForwardedPorts,
            PortForwarder forwarder => forwarder.ForwardedPorts,
            _ => [],
        })];

    /// <summary>Why a capture file is incomplete, or null.</summary>
    public string? CaptureFailure => _opened.OfType<CapturedNetwork>().Select(network => network.Failure).FirstOrDefault(failure => failure is not null);

    /// <summary>Why a card's switch cannot be reached now, or null.</summary>
    public string? SwitchFailure => _backends.Select(network => network is PortForwarder forwarder ? forwarder.Network : network)
        .OfType<NamedSwitchPort>().Select(port => port.Failure).FirstOrDefault(failure => failure is not null);

    /// <summary>After the board, whose cards use the backends. Backends do not mind being disposed twice.</summary>
    public void Dispose()
    {
        _opened.ForEach(backend => backend.Dispose());
        _clock?.Dispose();
    }

    private void Add(NetworkCard card, IVirtualClock clock, string? machineName)
    {
        MacAddress mac = card.Mac ?? card.AllocateMac?.Invoke(machineName) ?? new MacAddress(FirstMac + (ulong)_cards.Count);
        PcapWriter? capture = OpenCapture(card.Capture);
        INetworkBackend backend;
        try
        {
            backend = card.Open(new NetworkSurroundings(clock, machineName, mac));
        }
        catch
        {
            capture?.Dispose();
            throw;
        }

        _backends.Add(backend);
        backend = capture is null ? backend : new CapturedNetwork(backend, capture);
        _opened.Add(backend);
        _cards.Add(new NetworkCardOptions(backend, mac.ToBytes(), (ushort)(card.UserOptions?.Mtu ?? 1500)));
    }

    private static PcapWriter? OpenCapture(string? path)
    {
        try
        {
            return path is null ? null : PcapWriter.Create(path);
        }
        catch (IOException error)
        {
            throw new StrataException(StrataError.BadInput, error.Message, error);
        }
    }
}
