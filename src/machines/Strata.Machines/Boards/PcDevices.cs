using Strata.Core.Logging;
using Strata.Core.Sharing;
using Strata.Core.State;
using Strata.Devices.Pci;
using Strata.Virtio;
using Strata.Virtio.Balloon;
using Strata.Virtio.Block;
using Strata.Virtio.Console;
using Strata.Virtio.Entropy;
using Strata.Virtio.FileSystem;
using Strata.Virtio.Network;
using Strata.Virtio.Transport;
using Strata.Virtio.Vsock;

namespace Strata.Machines.Boards;

/// <summary>PCI bus 0 and what is plugged into it: slot 1 is the entropy source; the console, disks, network cards and shares follow.</summary>
internal sealed class PcDevices
{
    private readonly BoardWiring _wiring;
    private readonly List<VirtioDevice> _virtio = [];
    private readonly List<VirtioNetwork> _networks = [];

    public PcDevices(BoardWiring wiring, PcChipset chipset)
    {
        _wiring = wiring;
        Bus = new PciBus(wiring.Memory, wiring.Apics, link => chipset.Interrupts.Line(PcMemoryMap.PciPin + link));
        wiring.Ports.Map(PcMemoryMap.PciConfigPort, PciBus.PortCount, new PciConfigPorts(Bus, chipset.Reset));
    }

    public PciBus Bus { get; }

    public VirtioConsole? Console { get; private set; }

    public VirtioVsock? Sockets { get; private set; }

    public VirtioBalloon? Balloon { get; private set; }

    /// <summary>Plugs in what the options ask for. Apart from the constructor, so that what is plugged in when one fails can be disposed.</summary>
    public void PlugAll()
    {
        PcBoardOptions options = _wiring.Options;
        Plug(new VirtioEntropy(_wiring.Memory, options.Deterministic is { } deterministic ? deterministic.Fill : null));
        if (options.Console is { } console)
        {
            Plug(Console = new VirtioConsole(_wiring.Memory, console.Write));
        }

        int queues = Math.Min(options.Processors, VirtioDevice.MostParallelQueues);
        for (int i = 0; i < options.Disks.Count; i++)
        {
            Plug(new VirtioBlock(_wiring.Memory, options.Disks[i], $"strata-disk{i}", queues));
        }

        foreach (NetworkCardOptions network in options.Networks)
        {
            VirtioNetwork card = new(_wiring.Memory, network.Backend, network.MacAddress.Span, network.Mtu, queues);
            _networks.Add(card);
            Plug(card);
        }

        foreach ((string tag, IFileShare share, TimeSpan validity) in options.Shares)
        {
            Plug(new VirtioFileSystem(_wiring.Memory, share, tag, validity));
        }

        if (options.HasSockets)
        {
            Plug(Sockets = new VirtioVsock(_wiring.Memory));
        }

        if (options.HasBalloon)
        {
            Plug(Balloon = new VirtioBalloon(_wiring.Memory));
        }
    }

    /// <summary>Puts what has state on the roster: the bus, then its functions by place, each with its device.</summary>
    public void Enlist(UnitRoster roster)
    {
        foreach (IUnit unit in (IEnumerable<IUnit>)[Bus, .. Bus.Functions.SelectMany(place => place.Function.Units)])
        {
            roster.Add(unit);
        }
    }

    /// <param name="card">Cards count from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such card.</exception>
    public VirtioNetwork Card(int card) => card >= 0 && card < _networks.Count
        ? _networks[card]
        : throw new ArgumentOutOfRangeException(nameof(card), card, $"The machine has {_networks.Count} network cards, counted from 0.");

    public IReadOnlyList<DeviceInspection> Inspect() =>
        [.. Bus.Functions.Select(place => new DeviceInspection(
        place.Slot, place.Number, place.Function.Inspect(), (place.Function as VirtioPci)?.InspectVirtio()))];

    /// <summary>Disposes all devices; one disk that cannot be flushed must not keep others from it.</summary>
    /// <returns>What failed.</returns>
    public IReadOnlyList<IOException> DisposeAll()
    {
        List<IOException> failures = [];
        foreach (VirtioDevice device in _virtio)
        {
            try
            {
                device.Dispose();
            }
            catch (IOException error)
            {
                failures.Add(error);
            }
        }

        return failures;
    }

    /// <summary>Puts a device into the next slot; it is the board's from here on.</summary>
    private void Plug(VirtioDevice device)
    {
        _virtio.Add(device);
        device.IsSynchronous = _wiring.Options.Deterministic != null;
        if (_wiring.Options.Loggers is { } loggers)
        {
            device.Log = loggers.For(LogAreas.Virtio);
        }

        Bus.Plug(_virtio.Count, new VirtioPci(device));
    }
}
