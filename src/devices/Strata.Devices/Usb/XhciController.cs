using Strata.Core.Bus;
using Strata.Core.State;
using Strata.Core.Time;
using Strata.Devices.Pci;
using static Strata.Devices.Usb.XhciRegisters;

namespace Strata.Devices.Usb;

/// <summary>
/// A USB host controller with two USB 2.0 ports for human interface devices, and two USB 3.0 ports with nothing in them. eXtensible
/// Host Controller Interface for USB 1.2. One interrupter with an event ring of one segment; 8 slots; interrupt and control transfers.
/// Not there: streams, isochronous transfers, hubs, debug and virtualisation capabilities. All work is done where the guest rings or a
/// device has something to say, and is bounded.
/// </summary>
public sealed partial class XhciController : PciFunction, IMmioDevice, IDwordRegisters
{
    private const uint BarSize = 0x4000;
    private const int MsixBar = 1;
    private const long MicroframeTime = 125_000; // ns

    /// <summary>TRBs of one ring that one call looks at: what a guest rings for may be longer than any driver's.</summary>
    private const int MostTrbs = 256;

    // Wiring
    private readonly AddressSpace _memory;
    private readonly IVirtualClock _clock;
    private readonly Unit _unit;

    // Guest-visible state, under _gate
    private readonly Lock _gate = new();
    private readonly XhciPort[] _ports;
    private readonly XhciSlot[] _slots = [.. Enumerable.Range(0, SlotCount + 1).Select(_ => new XhciSlot())]; // from 1
    private uint _command;
    private uint _status = StsHalted;
    private uint _notifications; // DNCTRL
    private uint _config;
    private ulong _contexts;     // DCBAAP
    private TrbRing _commandRing;
    private bool _isCommandRingRunning;
    private bool _isStill;       // nothing may touch memory

    /// <param name="devices">At most two, for the first ports.</param>
    public XhciController(AddressSpace memory, IVirtualClock clock, IReadOnlyList<UsbHidDevice> devices)
        : base(new PciIdentity(0x1B36, 0x000D, 0x0C0330, 1, 0x1AF4, 0x1100))
    {
        ArgumentNullException.ThrowIfNull(devices);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(devices.Count, Usb2Ports, nameof(devices));
        (_memory, _clock) = (memory, clock);
        _ports = [.. Enumerable.Range(0, PortCount).Select(number => new XhciPort(devices.ElementAtOrDefault(number)))];
        _unit = new Unit(this);
        foreach (UsbHidDevice device in devices)
        {
            device.Ready += OnDeviceReady;
            device.AreEventsTaken = AreEventsTaken;
        }

        ResetController();
        AddRegisters(SerialBusRelease, [0x30], [0]);
        UseInterruptPin(1);
        AddMemoryBar(0, BarSize, this);
        AddMsix(MsixBar, 1);
    }

    private const int SerialBusRelease = 0x60;

    /// <inheritdoc/>
    public override IEnumerable<IUnit> Units
    {
        get
        {
            foreach (UsbHidDevice device in Devices)
            {
                device.NameParent(_unit.UnitName);
            }

            return [this, _unit, .. Devices];
        }
    }

    private IEnumerable<UsbHidDevice> Devices => _ports.Select(port => port.Device).OfType<UsbHidDevice>();

    private bool IsRunning => (_status & StsHalted) == 0;

    /// <inheritdoc/>
    public ulong ReadMmio(ulong offset, AccessWidth width)
    {
        lock (_gate)
        {
            return DwordRegisters.Read(this, offset, width);
        }
    }

    /// <summary>Registers are written by aligned doublewords and quadwords; other accesses are ignored.</summary>
    public void WriteMmio(ulong offset, AccessWidth width, ulong value)
    {
        lock (_gate)
        {
            DwordRegisters.Write(this, offset, width, value);
        }
    }

    uint IDwordRegisters.ReadRegister(int register) => register switch
    {
        0x00 => CapabilityLength | HciVersion,
        0x04 => StructuralParameters1,
        0x10 => CapabilityParameters,
        0x14 => Doorbells,
        0x18 => Runtime,
        USBCMD => _command,
        USBSTS => _status,
        PAGESIZE => 1, // 4 KiB
        DNCTRL => _notifications,
        CRCR => _isCommandRingRunning ? CrcrRunning : 0,
        DCBAAP => (uint)_contexts,
        DCBAAP + 4 => (uint)(_contexts >> 32),
        CONFIG => _config,
        >= Ports and < Ports + (PortCount * PortStride) =>
            (register - Ports) % PortStride == 0 ? _ports[(register - Ports) / PortStride].Status : 0,
        >= Extended and < Extended + 0x40 => ReadExtended(register - Extended),
        >= Runtime and < Doorbells => ReadRuntime(register),
        _ => 0,
    };

    void IDwordRegisters.WriteRegister(int register, uint value)
    {
        switch (register)
        {
            case USBCMD:
                WriteCommand(value);
                break;
            case USBSTS:
                _status &= ~(value & StsClearable);
                break;
            case DNCTRL:
                _notifications = value & 0xFFFF;
                break;
            case CRCR or CRCR + 4:
                WriteCommandRing(register, value);
                break;
            case DCBAAP:
                _contexts = (_contexts & ~0xFFFF_FFFFUL) | (value & ~0x3Fu);
                break;
            case DCBAAP + 4:
                _contexts = (uint)_contexts | ((ulong)value << 32);
                break;
            case CONFIG:
                _config = Math.Min(value & 0xFF, SlotCount);
                break;
            case >= Ports and < Ports + (PortCount * PortStride) when (register - Ports) % PortStride == 0:
                WritePort((register - Ports) / PortStride, value);
                break;
            case >= Runtime and < Doorbells:
                WriteRuntime(register, value);
                break;
            case >= Doorbells and <= Doorbells + (SlotCount * 4):
                Ring((register - Doorbells) / 4, (int)(value & 0xFF));
                break;
            default:
                break;
        }
    }

    /// <summary>Two protocols, with the ports that speak them.</summary>
    private static uint ReadExtended(int offset) => offset switch
    {
        0x00 => 2 | (0x20 / 4 << 8) | (0x0200u << 16),
        0x20 => 2 | (0x0300u << 16),
        0x04 or 0x24 => 0x2042_5355, // "USB "
        0x08 => 1 | (Usb2Ports << 8),
        0x28 => (Usb2Ports + 1) | ((PortCount - Usb2Ports) << 8),
        _ => 0,
    };

    private void WriteCommand(uint value)
    {
        if ((value & CmdReset) != 0)
        {
            ResetController();
            return;
        }

        bool starts = (value & CmdRun) != 0 && (_command & CmdRun) == 0;
        _command = value & CmdWritable;
        _status = (_command & CmdRun) != 0 ? _status & ~StsHalted : _status | StsHalted;
        if ((value & CmdRestore) != 0)
        {
            _status |= StsRestoreError; // nothing was saved: the driver sets everything up anew
        }

        if (!IsRunning)
        {
            _isCommandRingRunning = false;
        }

        UpdateInterrupt();
        if (starts)
        {
            ServeEndpoints();
        }
    }

    private void WriteCommandRing(int register, uint value)
    {
        if (register == CRCR && (value & CrcrStop) != 0 && _isCommandRingRunning)
        {
            _isCommandRingRunning = false;
            Complete(_commandRing.Dequeue, CompletionCode.CommandRingStopped, slot: 0);
            return;
        }

        if (_isCommandRingRunning)
        {
            return;
        }

        _commandRing = register == CRCR
            ? new TrbRing((_commandRing.Dequeue & ~0xFFFF_FFFFUL) | (value & ~0x3Fu), (value & 1) != 0)
            : _commandRing with { Dequeue = (uint)_commandRing.Dequeue | ((ulong)value << 32) };
    }

    private void WritePort(int number, uint value)
    {
        XhciPort port = _ports[number];
        port.Status = (port.Status & ~(value & PortChanges) & ~PortWake) | (value & PortWake);
        if ((value & PortEnabled) != 0)
        {
            port.Status &= ~PortEnabled; // written as 1, it disables
        }

        if (port.Device is not { } device)
        {
            return;
        }

        if ((value & PortReset) != 0)
        {
            device.ResetBus();
            SetLink(port, LinkOn);
            port.Status |= PortEnabled | PortResetChange;
            TellPort(number);
        }
        else if ((value & PortLinkStrobe) != 0 && (port.Status & PortEnabled) != 0)
        {
            MoveLink(number, (value & PortLink) >> PortLinkShift);
        }
    }

    /// <summary>Suspends and resumes a port, at once.</summary>
    private void MoveLink(int number, uint wanted)
    {
        XhciPort port = _ports[number];
        bool wasOn = (port.Status & PortLink) >> PortLinkShift == LinkOn;
        if (wanted == LinkSuspended)
        {
            SetLink(port, LinkSuspended);
        }
        else if (wanted is LinkOn or LinkResume && !wasOn)
        {
            SetLink(port, wanted);
            if (wanted == LinkOn)
            {
                port.Status |= PortLinkChange;
                TellPort(number);
                ServeEndpoints();
            }
        }
    }

    private static void SetLink(XhciPort port, uint state) => port.Status = (port.Status & ~PortLink) | (state << PortLinkShift);

    private void TellPort(int number)
    {
        _status |= StsPortChange;
        if (IsRunning)
        {
            Post((ulong)(number + 1) << 24, (uint)CompletionCode.Success << 24, TrbType.PortStatusChange, 0);
        }
    }

    private void ResetController()
    {
        (_command, _status, _notifications, _config, _contexts) = (0, StsHalted, 0, 0, 0);
        (_commandRing, _isCommandRingRunning) = (default, false);
        Array.ForEach(_slots, slot => slot.Clear());
        ResetEvents();
        foreach (XhciPort port in _ports)
        {
            port.Device?.ResetBus();
            port.Status = port.Device is null
                ? PortPower | (LinkDisconnected << PortLinkShift)
                : PortPower | PortConnected | PortConnectChange | (LinkPolling << PortLinkShift) | (FullSpeed << PortSpeedShift);
        }

        SetInterrupt(false);
    }

    private bool AreEventsTaken()
    {
        lock (_gate)
        {
            return _eventSize == 0 || DequeueIndex == _eventIndex;
        }
    }

    private void OnDeviceReady()
    {
        lock (_gate)
        {
            ServeEndpoints();
        }
    }
}
