using Microsoft.Extensions.Logging;
using Strata.Core.Interrupts;
using Strata.Core.Logging;
using Strata.Core.Memory;
using Strata.Core.Sharing;
using Strata.Core.State;
using Strata.Devices.Storage.Ahci;
using Strata.Devices.Storage.Nvme;
using Strata.Core.Storage;
using Strata.Devices.Chipset;
using Strata.Devices.Network;
using Strata.Devices.Pci;
using Strata.Devices.Power;
using Strata.Devices.Sound;
using Strata.Devices.Storage;
using Strata.Devices.Usb;
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

/// <summary>
/// PCI bus 0 and what is plugged into it. With firmware, slot 1 has the chipset's functions and slot 2 the display. The next is the entropy
/// source; the console, disks, network cards and shares follow.
/// </summary>
internal sealed class PcDevices
{
    private readonly BoardWiring _wiring;
    private readonly List<VirtioDevice> _virtio = [];
    private readonly List<INetworkCard> _networks = [];
    private readonly List<IdeChannel> _channels = [];
    private readonly List<IDisposable> _others = []; // devices that are neither
    private readonly PcChipset _chipset;
    private int _nextSlot = 1;

    public PcDevices(BoardWiring wiring, PcChipset chipset)
    {
        _wiring = wiring;
        _chipset = chipset;
        PciInterruptRouter? router = chipset.Firmware is null ? null : new PciInterruptRouter(ApicLine, IsaLine);
        Bus = new PciBus(
            wiring.Memory, wiring.Apics, link => router?.Line(link) ?? ApicLine(link), wiring.Ports, chipset.Firmware?.HostBridge);
        if (router is not null)
        {
            PlugChipset(router);
            Bus.Plug(_nextSlot++, chipset.Firmware!.CreateDisplayFunction());
        }

        wiring.Ports.Map(PcMemoryMap.PciConfigPort, PciBus.PortCount, new PciConfigPorts(Bus, chipset.Reset));
    }

    public PciBus Bus { get; }

    /// <summary>The floppy drives; null for a machine without.</summary>
    public PcFloppies? Floppies { get; private set; }

    /// <summary>The tablet on USB; null for a machine without.</summary>
    public UsbTablet? Tablet { get; private set; }

    /// <summary>The keyboard on USB; null for a machine without.</summary>
    public UsbKeyboard? Keyboard { get; private set; }

    /// <summary>In the order of the options.</summary>
    public IReadOnlyList<IRemovableDrive> FloppyDrives { get; private set; } = [];

    /// <summary>CD drives, in the order of the options.</summary>
    public IReadOnlyList<IRemovableDrive> OpticalDrives { get; private set; } = [];

    public VirtioConsole? Console { get; private set; }

    public VirtioVsock? Sockets { get; private set; }

    public VirtioBalloon? Balloon { get; private set; }

    /// <summary>
    /// Plugs in what the options ask for. Apart from the constructor, so that what is plugged in when one fails can be disposed.
    /// </summary>
    public void PlugAll()
    {
        PcBoardOptions options = _wiring.Options;
        if (options.Firmware is { Floppies: { Count: > 0 } diskettes })
        {
            PlugFloppies(diskettes);
        }

        Plug(new VirtioEntropy(_wiring.Memory, options.Deterministic is { } deterministic ? deterministic.Fill : null));
        if (options.Console is { } console)
        {
            Plug(Console = new VirtioConsole(_wiring.Memory, console.Write));
        }

        PlugSata(options);
        int queues = Math.Min(options.Processors, VirtioDevice.MostParallelQueues);
        for (int i = 0; i < options.Disks.Count; i++)
        {
            if (options.DiskControllers.ElementAtOrDefault(i) is not DiskController.Ahci and var kind)
            {
                PlugDisk(options.Disks[i], kind, $"strata-disk{i}", queues);
            }
        }

        foreach (NetworkCardOptions network in options.Networks)
        {
            PlugNetwork(network, queues);
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

        if (options.UsbDevices.Count > 0)
        {
            PlugUsb(options.UsbDevices);
        }

        if (_chipset.Sound is { } sound)
        {
            Ac97 controller = new(_wiring.Memory, _wiring.Clock, sound);
            _others.Add(controller);
            Bus.Plug(_nextSlot++, controller);
        }
    }

    /// <summary>Puts what has state on the roster: the bus, then its functions by place, each with its device.</summary>
    public void Enlist(UnitRoster roster)
    {
        IEnumerable<IUnit> functions = Bus.Functions.SelectMany(place => place.Function.Units);
        foreach (IUnit unit in (IEnumerable<IUnit>)[.. Floppies?.Units ?? [], Bus, .. functions])
        {
            roster.Add(unit);
        }
    }

    /// <param name="card">Cards count from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such card.</exception>
    public INetworkCard Card(int card) => card >= 0 && card < _networks.Count
        ? _networks[card]
        : throw new ArgumentOutOfRangeException(nameof(card), card, $"The machine has {_networks.Count} network cards, counted from 0.");

    /// <summary>Whether drivers had virtio devices, and have let go of all of them.</summary>
    public bool AreLetGo
    {
        get
        {
            bool had = false;
            foreach (VirtioPci function in Bus.Functions.Select(place => place.Function).OfType<VirtioPci>())
            {
                if (function.HasDriver)
                {
                    return false;
                }

                had |= function.HadDriver;
            }

            return had;
        }
    }

    public IReadOnlyList<DeviceInspection> Inspect() =>
        [.. Bus.Functions.Select(place => new DeviceInspection(
        place.Slot, place.Number, place.Function.Inspect(), (place.Function as VirtioPci)?.InspectVirtio()))];

    /// <summary>Disposes all devices; one disk that cannot be flushed must not keep others from it.</summary>
    /// <returns>What failed.</returns>
    public IReadOnlyList<IOException> DisposeAll()
    {
        List<IOException> failures = [];
        foreach (IDisposable device in (IEnumerable<IDisposable>)[.. _channels, .. _others, .. _virtio])
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

    private void PlugUsb(IReadOnlyList<UsbDeviceKind> kinds)
    {
        List<UsbHidDevice> devices = [];
        if (kinds.Contains(UsbDeviceKind.Tablet))
        {
            devices.Add(Tablet = new UsbTablet());
        }

        if (kinds.Contains(UsbDeviceKind.Keyboard))
        {
            devices.Add(Keyboard = new UsbKeyboard());
        }

        Bus.Plug(_nextSlot++, new XhciController(_wiring.Memory, _wiring.Clock, devices));
    }

    private void PlugFloppies(IReadOnlyList<IBlockBackend?> diskettes)
    {
        Floppies = new PcFloppies(_wiring, _chipset.Interrupts);
        _others.Add(Floppies);
        foreach ((int drive, IBlockBackend? diskette) in diskettes.Index())
        {
            Floppies.Insert(drive, diskette);
        }

        FloppyDrives = [.. Enumerable.Range(0, diskettes.Count).Select(Floppies.Drive)];
    }

    private void PlugNetwork(NetworkCardOptions network, int queues)
    {
        GuestMemory? rom = _chipset.Firmware?.CreateNetworkRom(network.Model);
        if (network.Model == NetworkCardModel.Virtio)
        {
            VirtioNetwork card = new(_wiring.Memory, network.Backend, network.MacAddress.Span, network.Mtu, queues);
            _networks.Add(card);
            Plug(card, rom);
            return;
        }

        E1000 chip = new(_wiring.Memory, network.Backend, network.MacAddress.Span, _wiring.Clock, rom)
        {
            IsSynchronous = _wiring.Options.Deterministic != null,
        };
        _networks.Add(chip);
        _others.Add(chip);
        Bus.Plug(_nextSlot++, chip);
    }

    /// <summary>As many SATA controllers as the disks for them need.</summary>
    private void PlugSata(PcBoardOptions options)
    {
        IEnumerable<AtaDisk> disks = options.Disks.Index()
            .Where(disk => options.DiskControllers.ElementAtOrDefault(disk.Index) == DiskController.Ahci)
            .Select(disk => new AtaDisk(disk.Item, $"strata-disk{disk.Index}"));
        foreach (AtaDisk[] six in disks.Chunk(AhciController.MostDrives))
        {
            AhciController controller = new(_wiring.Memory, six) { IsSynchronous = options.Deterministic != null };
            _others.Add(controller);
            if (options.Loggers is { } loggers)
            {
                controller.Log = loggers.For(LogAreas.Disks);
            }

            Bus.Plug(_nextSlot++, controller);
        }
    }

    private void PlugDisk(IBlockBackend disk, DiskController kind, string serial, int queues)
    {
        if (kind == DiskController.Virtio)
        {
            Plug(new VirtioBlock(_wiring.Memory, disk, serial, queues));
            return;
        }

        NvmeController controller = new(_wiring.Memory, disk, serial) { IsSynchronous = _wiring.Options.Deterministic != null };
        _others.Add(controller);
        if (_wiring.Options.Loggers is { } loggers)
        {
            controller.Log = loggers.For(LogAreas.Disks);
        }

        Bus.Plug(_nextSlot++, controller);
    }

    /// <summary>Puts a device into the next slot; it is the board's from here on.</summary>
    private void Plug(VirtioDevice device, GuestMemory? rom = null)
    {
        _virtio.Add(device);
        device.IsSynchronous = _wiring.Options.Deterministic != null;
        if (_wiring.Options.Loggers is { } loggers)
        {
            device.Log = loggers.For(LogAreas.Virtio);
        }

        Bus.Plug(_nextSlot++, new VirtioPci(device, rom));
    }

    /// <summary>The functions of a PIIX3, with the power management of a PIIX4 among them.</summary>
    private void PlugChipset(PciInterruptRouter router)
    {
        int slot = _nextSlot++;
        Bus.Plug(slot, new Piix3Isa(router));
        IdeDrive?[] drives = IdePlaces.Place(_wiring.Options.Firmware!.Drives);
        OpticalDrives = [.. IdePlaces.DiscPlaces.Select(place => drives[place]).OfType<AtapiDrive>()];
        ILogger? log = _wiring.Options.Loggers?.For(LogAreas.Disks);
        IdeChannel first = new("ide0", _wiring.Memory, _chipset.Interrupts.Line(PcMemoryMap.FirstIdePin), drives[0], drives[1], log);
        IdeChannel second = new("ide1", _wiring.Memory, _chipset.Interrupts.Line(PcMemoryMap.SecondIdePin), drives[2], drives[3], log);
        first.IsSynchronous = second.IsSynchronous = _wiring.Options.Deterministic != null;
        _channels.AddRange([first, second]);
        Piix3Ide ide = new(first, second);
        ide.MapPorts(_wiring.Ports);
        Bus.Plug(slot, ide, 1);
        Bus.Plug(slot, new Piix4Power(_wiring.Ports, _chipset.Power, AcpiPower.PortCount), 3);
    }

    private InterruptLine ApicLine(int link) => _chipset.Interrupts.Line(PcMemoryMap.PciPin + link);

    /// <summary>Those that a PC keeps free for PCI: a wire to one that an ISA chip drives would have two drivers.</summary>
    private InterruptLine? IsaLine(int irq) => irq is 5 or 7 or 10 or 11 ? _chipset.Interrupts.Line(irq) : null;
}
