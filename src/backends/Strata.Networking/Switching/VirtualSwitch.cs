using Strata.Core.Networking;
using Strata.Core.Time;
using Strata.Networking.Frames;
using Strata.Networking.Nat;

namespace Strata.Networking.Switching;

/// <summary>How a switch remembers.</summary>
public sealed record VirtualSwitchOptions
{
    /// <summary>Most stations remembered.</summary>
    public int MaxStations { get; init; } = 4096;

    /// <summary>How long a silent station is remembered. IEEE 802.1Q, "Filtering Database", recommends 300 s.</summary>
    public TimeSpan Ageing { get; init; } = TimeSpan.FromSeconds(300);
}

/// <summary>
/// A learning Ethernet switch that joins the machines of one process. Safe on any thread: a sender's thread carries its frame to every
/// receiver, with no lock of the switch held meanwhile.
/// </summary>
/// <example>
/// <code>
/// using VirtualSwitch lab = new();
/// MachineSpec spec = image with { Networks = [NetworkCard.Attached("lab")] };
/// MachineAttachments port = new() { Networks = new Dictionary&lt;string, NetworkAttachment&gt; { ["lab"] = NetworkAttachment.PortOf(lab) }
/// }; VirtualMachine first = await VirtualMachine.StartAsync(spec, port); VirtualMachine second = await VirtualMachine.StartAsync(spec,
/// port);
/// </code>
/// </example>
public sealed class VirtualSwitch : IDisposable
{
    private readonly Lock _gate = new();
    private readonly RealTimeClock? _ownClock;
    private readonly MacTable _stations; // under _gate
    private readonly List<INetworkBackend> _uplinks = []; // under _gate
    private volatile SwitchPort[] _ports = []; // replaced whole under _gate
    private int _lastPort;   // under _gate
    private ulong _lastMac = 0x0253_0000_0000; // under _gate

    /// <param name="clock">For ageing, delays and rates; null for the host's.</param>
    public VirtualSwitch(VirtualSwitchOptions? options = null, IVirtualClock? clock = null)
    {
        options ??= new VirtualSwitchOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxStations, 1, nameof(options));
        _stations = new MacTable(options.MaxStations, options.Ageing.Ticks * 100);
        if (clock is null)
        {
            clock = _ownClock = new RealTimeClock();
            _ownClock.Start();
        }

        Clock = clock;
    }

    /// <summary>Stations remembered now.</summary>
    public int StationCount
    {
        get
        {
            lock (_gate)
            {
                return _stations.Count;
            }
        }
    }

    public IReadOnlyList<SwitchPort> Ports => _ports;

    internal IVirtualClock Clock { get; }

    /// <summary>A new port for a card.</summary>
    public SwitchPort AddPort(SwitchPortOptions? options = null)
    {
        lock (_gate)
        {
            SwitchPort port = new(this, ++_lastPort, options ?? new SwitchPortOptions());
            _ports = [.. _ports, port];
            return port;
        }
    }

    /// <summary>
    /// Plugs a network, such as a user-mode one with its router and DHCP server, into a new port. The switch disposes it.
    /// </summary>
    public SwitchPort AddUplink(INetworkBackend network, SwitchPortOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        SwitchPort port = AddPort(options);
        port.Connect(new UplinkSink(network));
        lock (_gate)
        {
            _uplinks.Add(network);
        }

        network.Connect(new UplinkCard(port));
        return port;
    }

    /// <summary>Gives the machines a way out: a user-mode network with its router, DHCP server and name server on a new port.</summary>
    public SwitchPort AddUserNetwork(UserNetworkOptions? network = null, SwitchPortOptions? options = null) =>
        AddUplink(new UserNetwork(network ?? new UserNetworkOptions(), Clock), options);

    /// <summary>A locally administered address that no other card got from this switch.</summary>
    public MacAddress AllocateMac()
    {
        lock (_gate)
        {
            return new MacAddress(++_lastMac);
        }
    }

    /// <summary>Ends the switch and its uplinks; cards that are still plugged in hear nothing any more.</summary>
    public void Dispose()
    {
        INetworkBackend[] uplinks;
        lock (_gate)
        {
            uplinks = [.. _uplinks];
            _uplinks.Clear();
        }

        foreach (INetworkBackend uplink in uplinks)
        {
            uplink.Dispose();
        }

        foreach (SwitchPort port in _ports)
        {
            port.Dispose();
        }

        _ownClock?.Dispose();
    }

    internal void Remove(SwitchPort port)
    {
        lock (_gate)
        {
            _ports = [.. _ports.Where(other => other != port)];
            _stations.Forget(port);
        }
    }

    /// <summary>Stations heard behind a port, longest ago first.</summary>
    internal IReadOnlyList<MacAddress> FindStations(SwitchPort port, int most)
    {
        lock (_gate)
        {
            return _stations.Behind(port, most);
        }
    }

    internal void Forget(SwitchPort port)
    {
        lock (_gate)
        {
            _stations.Forget(port);
        }
    }

    /// <summary>A card has room again: networks that were refused may go on.</summary>
    internal void ResumeUplinks()
    {
        INetworkBackend[] uplinks;
        lock (_gate)
        {
            uplinks = [.. _uplinks];
        }

        foreach (INetworkBackend uplink in uplinks)
        {
            uplink.Resume();
        }
    }

    /// <summary>Carries a frame to the port of its destination, or to all of its VLAN.</summary>
    /// <param name="control">Priority and VLAN.</param>
    /// <returns>False if its only receiver had no room.</returns>
    internal bool Forward(SwitchPort source, ReadOnlySpan<byte> frame, in FrameOffload offload, ushort control)
    {
        ushort vlan = (ushort)(control & VlanTag.VlanMask);
        MacAddress destination = MacAddress.Read(frame);
        SwitchPort? target;
        lock (_gate)
        {
            long now = Clock.Now;
            _stations.Learn(vlan, MacAddress.Read(frame[MacAddress.Size..]), source, now);
            target = destination.IsGroup ? null : _stations.Find(vlan, destination, now);
        }

        if (target is not null)
        {
            return target == source || !target.Options.Vlan.Carries(vlan) || target.TryDeliver(frame, offload, control);
        }

        foreach (SwitchPort port in _ports)
        {
            if (port != source && port.Options.Vlan.Carries(vlan))
            {
                port.TryDeliver(frame, offload, control);
            }
        }

        return true;
    }
}
