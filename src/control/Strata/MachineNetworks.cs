using Strata.Control;
using Strata.Core.Networking;
using Strata.Core.Time;
using Strata.Machines.Boards;
using Strata.Networking.Capture;
using Strata.Networking.Frames;
using Strata.Networking.NamedSwitches;
using Strata.Networking.Nat;
using Strata.Networking.Tap;

namespace Strata;

/// <summary>The opened backends of a machine's network cards, and the clock of their protocols.</summary>
internal sealed class MachineNetworks : IDisposable
{
    /// <summary>Of cards that are alone on their network; locally administered.</summary>
    private const ulong FirstMac = 0x5254_0012_3456;

    /// <summary>Of networks that have no say in it.</summary>
    private const ushort DefaultMtu = 1500;

    private readonly RealTimeClock? _clock;
    private readonly List<NetworkCardOptions> _cards = [];
    private readonly List<INetworkBackend> _backends = []; // as the cards asked for them
    private readonly List<INetworkBackend> _opened = [];   // the same with captures around them

    private readonly string? _machineName;
    private readonly MachineAttachments _attachments;

    private MachineNetworks(RealTimeClock? clock, string? machineName, MachineAttachments attachments)
    {
        _clock = clock;
        _machineName = machineName;
        _attachments = attachments;
    }

    public IReadOnlyList<NetworkCardOptions> Cards => _cards;

    /// <exception cref="StrataException">A network cannot be had; the message says why.</exception>
    /// <param name="machineName">What others call the machine, or null.</param>
    public static MachineNetworks Open(IReadOnlyList<NetworkCard> cards, string? machineName, MachineAttachments attachments)
    {
        RealTimeClock? clock = cards.Count == 0 ? null : new RealTimeClock();
        clock?.Start();
        MachineNetworks networks = new(clock, machineName, attachments);
        try
        {
            foreach (NetworkCard card in cards)
            {
                networks.Add(card, clock!);
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
    public string? CaptureFailure =>
        _opened.OfType<CapturedNetwork>().Select(network => network.Failure).FirstOrDefault(failure => failure is not null);

    /// <summary>Why a card's switch cannot be reached now, or null.</summary>
    public string? SwitchFailure => _backends.Select(network => network is PortForwarder forwarder ? forwarder.Network : network)
        .OfType<NamedSwitchPort>().Select(port => port.Failure).FirstOrDefault(failure => failure is not null);

    /// <summary>After the board, whose cards use the backends. Backends do not mind being disposed twice.</summary>
    public void Dispose()
    {
        _opened.ForEach(backend => backend.Dispose());
        _clock?.Dispose();
    }

    private void Add(NetworkCard card, IVirtualClock clock)
    {
        NetworkAttachment? attachment = card.Plug is NetworkPlug.Attachment named ? FindAttachment(named.Name) : null;
        MacAddress mac = card.Mac ?? AllocateMac(card.Plug, attachment);
        PcapWriter? capture = OpenCapture(card.Capture);
        INetworkBackend backend;
        try
        {
            backend = attachment?.Open() ?? Open(card.Plug, mac, clock);
        }
        catch
        {
            capture?.Dispose();
            throw;
        }

        _backends.Add(backend);
        backend = capture is null ? backend : new CapturedNetwork(backend, capture);
        _opened.Add(backend);
        ushort mtu = (ushort)(card.Plug is NetworkPlug.User user ? user.Options.Mtu : DefaultMtu);
        _cards.Add(new NetworkCardOptions(backend, mac.ToBytes(), mtu, card.Model));
    }

    private NetworkAttachment FindAttachment(string name) => _attachments.Networks.TryGetValue(name, out NetworkAttachment? attachment)
        ? attachment
        : throw new StrataException(
            StrataError.BadInput,
            $"No network \"{Printable.Text(name)}\" is attached: give it to the machine in MachineAttachments.Networks, or plug the card " +
            $"into another network.");

    private MacAddress AllocateMac(NetworkPlug plug, NetworkAttachment? attachment) =>
        plug is NetworkPlug.Switch named ? SwitchRegistry.CreateMac(named.Name, _machineName)
            : attachment?.AllocateMac?.Invoke() ?? new MacAddress(FirstMac + (ulong)_cards.Count);

    private INetworkBackend Open(NetworkPlug plug, MacAddress mac, IVirtualClock clock) => plug switch
    {
        NetworkPlug.User user => new UserNetwork(user.Options, clock),
        NetworkPlug.Tap tap => new TapNetwork(tap.Name),
        NetworkPlug.Switch named => Join(named, mac, clock),
        _ => throw new InvalidOperationException($"A card is plugged into {plug}, which nobody opens."),
    };

    private INetworkBackend Join(NetworkPlug.Switch named, MacAddress mac, IVirtualClock clock)
    {
        NamedSwitchPort port = new SwitchRegistry().Join(named.Name, _machineName, mac, named.Options);
        try
        {
            return named.Options.Forwards.Count > 0 ? new PortForwarder(port, mac, named.Options.Forwards, clock) : port;
        }
        catch
        {
            port.Dispose();
            throw;
        }
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
