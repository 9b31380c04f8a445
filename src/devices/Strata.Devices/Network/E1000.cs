using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.Networking;
using Strata.Core.State;
using Strata.Core.Time;
using Strata.Devices.Pci;
using Strata.Devices.Workers;
using static Strata.Devices.Network.E1000Registers;

namespace Strata.Devices.Network;

/// <summary>
/// Intel 82540EM network card ("e1000"). <i>PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual</i> (317453):
/// legacy, context and data descriptors for transmission, with checksums and segmentation; legacy ones for reception; EEPROM, transceiver,
/// filters, VLAN tags, interrupt throttling. Not there: delay timers, wake-up, flash, IEEE 802.3x, and statistics beyond the common ones.
/// </summary>
public sealed partial class E1000 : PciFunction, IMmioDevice, IDwordRegisters, IPortDevice, IFrameReceiver, INetworkCard,
    IDisposable
{
    /// <summary>What PCI finds it by.</summary>
    public const ushort Vendor = 0x8086, Device = 0x100E;

    private const uint BarSize = 0x2_0000;
    private const int IoBarSize = 64;
    private const long ThrottleUnit = 256; // ns

    // Configuration and wiring
    private readonly AddressSpace _memory;
    private readonly INetworkBackend _backend;
    private readonly IVirtualClock _clock;
    private readonly IVirtualTimer _throttle;
    private readonly DeviceWorker _worker;
    private readonly byte[] _macAddress;
    private readonly Unit _unit;

    // Guest-visible state, under _gate; the transmitter's own is the worker's
    private readonly Lock _gate = new();
    private readonly uint[] _registers = new uint[FileSize / 4];
    private readonly E1000Eeprom _eeprom;
    private readonly E1000Phy _phy = new();
    private readonly E1000Transmitter _transmitter = new();
    private uint _portAddress;
    private long _nextInterrupt;     // virtual time before which the line does not rise
    private int _generation;         // of resets: a descriptor that was taken before one has no effect on registers
    private bool _isStarved;         // a frame was refused since the backend was last called
    private bool _isStill;           // nothing may touch memory
    private bool _isPlugged = true;
    private bool _hasCarrier = true;

    /// <param name="backend">The card's from here on.</param>
    /// <param name="macAddress">Six bytes.</param>
    /// <param name="rom">A program that starts from the network, for firmware; null for none.</param>
    public E1000(
        AddressSpace memory, INetworkBackend backend, ReadOnlySpan<byte> macAddress, IVirtualClock clock, GuestMemory? rom = null)
        : base(new PciIdentity(Vendor, Device, 0x020000, 2, Vendor, 0x001E))
    {
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentNullException.ThrowIfNull(clock);
        ArgumentOutOfRangeException.ThrowIfNotEqual(macAddress.Length, 6);
        _memory = memory;
        _backend = backend;
        _clock = clock;
        _macAddress = macAddress.ToArray();
        _eeprom = new E1000Eeprom(macAddress);
        _throttle = clock.CreateTimer(OnThrottleEnd);
        _worker = new DeviceWorker("strata-e1000", Work);
        _unit = new Unit(this);
        SetDefaults();
        UseInterruptPin(1);
        AddMemoryBar(0, BarSize, this);
        AddIoBar(1, IoBarSize, this);
        if (rom is not null)
        {
            AddRom(rom);
        }

        backend.Connect(this);
    }

    /// <summary>Frames are sent within the write that hands them over, for machines that do the same in every run.</summary>
    public bool IsSynchronous
    {
        get => _worker.IsSynchronous;
        set => _worker.IsSynchronous = value;
    }

    public bool IsLinkUp
    {
        get
        {
            lock (_gate)
            {
                return _isPlugged;
            }
        }

        set => SetLink(value, carrier: null);
    }

    public override IEnumerable<IUnit> Units => [this, _unit, .. _backend.GetUnits($"{_unit.UnitName}/backend")];

    private bool HasLink => _isPlugged && _hasCarrier;

    public void SetCarrier(bool up) => SetLink(plugged: null, up);

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
        bool wake;
        lock (_gate)
        {
            DwordRegisters.Write(this, offset, width, value);
            (wake, _hasWork) = (_hasWork, false);
        }

        if (wake)
        {
            _worker.Wake();
        }
    }

    /// <summary>IOADDR and IODATA: a window on the registers.</summary>
    public uint ReadPort(ushort offset, AccessWidth width)
    {
        uint address;
        lock (_gate)
        {
            address = _portAddress;
        }

        return offset switch
        {
            0 => address,
            4 => (uint)ReadMmio(address, AccessWidth.Dword),
            _ => 0,
        };
    }

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        if (offset == 0)
        {
            lock (_gate)
            {
                _portAddress = value & (BarSize - 1);
            }
        }
        else if (offset == 4 && width == AccessWidth.Dword)
        {
            WriteMmio(_portAddress & ~3u, width, value);
        }
    }

    /// <summary>Ends the thread, and disposes the backend.</summary>
    public void Dispose()
    {
        _backend.Dispose();
        lock (_gate)
        {
            _isStill = true; // whoever was still handing over a frame has left: guest memory may go
        }

        _worker.Dispose();
        _throttle.Dispose();
    }

    /// <summary>The guest may let the function reach memory after it rang.</summary>
    protected override void AfterConfigWrite(int offset, AccessWidth width)
    {
        if (IsBusMaster)
        {
            _worker.Wake();
        }
    }

    private uint Get(int register) => _registers[register / 4];

    private void Put(int register, uint value) => _registers[register / 4] = value;

    uint IDwordRegisters.ReadRegister(int register)
    {
        if (register >= FileSize)
        {
            return 0;
        }

        switch (register)
        {
            case STATUS:
                return StatusDefault | (HasLink ? StatusLinkUp : 0);
            case EECD:
                return _eeprom.Read();
            case ICR:
                uint causes = Get(ICR);
                causes |= (causes & Get(IMS)) != 0 ? IcrAsserted : 0;
                Put(ICR, 0);
                UpdateInterrupt();
                return causes;
            case ICS or IMC:
                return 0;
            case >= Statistics and < StatisticsEnd:
                uint count = Get(register);
                Put(register, 0);
                return count;
            default:
                return Get(register);
        }
    }

    void IDwordRegisters.WriteRegister(int register, uint value) => _hasWork |= Write(register, value);

    /// <returns>Whether the worker is to look.</returns>
    private bool Write(int register, uint value)
    {
        switch (register)
        {
            case >= FileSize or STATUS or (>= Statistics and < StatisticsEnd):
                return false;
            case CTRL:
                WriteControl(value);
                return false;
            case EECD:
                _eeprom.Write(value);
                return false;
            case EERD:
                Put(EERD, (value & 1) == 0 ? value : ((uint)_eeprom.Word((int)(value >> 8) & 0xFF) << 16) | (value & 0xFF00) | (1 << 4));
                return false;
            case MDIC:
                WriteTransceiver(value);
                return false;
            case ICR:
                Put(ICR, Get(ICR) & ~value);
                UpdateInterrupt();
                return false;
            case ICS:
                Raise(value & IcrCauses);
                return false;
            case IMS:
                Put(IMS, Get(IMS) | (value & IcrCauses));
                UpdateInterrupt();
                return false;
            case IMC:
                Put(IMS, Get(IMS) & ~value);
                UpdateInterrupt();
                return false;
            case RDBAL or TDBAL:
                Put(register, value & ~0xFu);
                return false;
            case RDLEN or TDLEN:
                Put(register, value & 0xF_FF80);
                return false;
            case RDH or TDH:
                Put(register, value & 0xFFFF);
                return false;
            case RDT or TDT:
                Put(register, value & 0xFFFF);
                return true;
            case RCTL or TCTL:
                Put(register, value);
                return true;
            default:
                Put(register, value);
                return false;
        }
    }

    private void WriteControl(uint value)
    {
        if ((value & CtrlReset) != 0)
        {
            SetDefaults();
            UpdateInterrupt();
            return;
        }

        if ((value & CtrlPhyReset) != 0)
        {
            _phy.Reset();
        }

        Put(CTRL, value & ~CtrlPhyReset);
    }

    private void WriteTransceiver(uint value)
    {
        int register = (int)(value >> 16) & 0x1F;
        bool exists = ((value >> 21) & 0x1F) == 1;
        uint result = (value & 0x03FF_FFFF & ~(1u << 30)) | (value & MdicInterrupt) | (value & (3u << 26));
        if (!exists)
        {
            result |= MdicError;
        }
        else if ((value & MdicRead) != 0)
        {
            result = (result & ~0xFFFFu) | _phy.Read(register, HasLink);
        }
        else if ((value & MdicWrite) != 0 && _phy.Write(register, (ushort)value))
        {
            Raise(IcrLinkChange);
        }

        Put(MDIC, result | MdicReady);
        if ((value & MdicInterrupt) != 0)
        {
            Raise(IcrManagement);
        }
    }

    private void SetLink(bool? plugged, bool? carrier)
    {
        lock (_gate)
        {
            bool was = HasLink;
            (_isPlugged, _hasCarrier) = (plugged ?? _isPlugged, carrier ?? _hasCarrier);
            if (was != HasLink)
            {
                Raise(IcrLinkChange);
            }
        }
    }

    /// <summary>What the reset bit does, and power-on: the cable stays.</summary>
    private void SetDefaults()
    {
        _generation++;
        Array.Clear(_registers);
        _phy.Reset();
        _eeprom.Reset();
        _nextInterrupt = 0;
        _throttle?.Disarm();
        Put(CTRL, CtrlDefault);
        Put(PBA, PbaDefault);
        Put(VET, 0x8100);
        Put(RAL, BitConverter.ToUInt32(_macAddress));
        Put(RAL + 4, BitConverter.ToUInt16(_macAddress, 4) | (1u << 31));
    }

    private void Count(int register, uint by = 1) => Put(register, (uint)Math.Min((ulong)Get(register) + by, uint.MaxValue));

    private void Raise(uint causes)
    {
        Put(ICR, Get(ICR) | causes);
        UpdateInterrupt();
    }

    /// <summary>The line is high while an enabled cause is set; it rises no more often than ITR says.</summary>
    private void UpdateInterrupt()
    {
        bool high = (Get(ICR) & Get(IMS)) != 0;
        if (high && !_isHigh)
        {
            long now = _clock.Now;
            if (now < _nextInterrupt)
            {
                _throttle.Arm(_nextInterrupt);
                return;
            }

            _nextInterrupt = now + ((Get(ITR) & 0xFFFF) * ThrottleUnit);
        }

        _isHigh = high;
        SetInterrupt(high);
    }

    private bool _isHigh; // under _gate
    private bool _hasWork; // under _gate, within a write

    private void OnThrottleEnd()
    {
        lock (_gate)
        {
            if (!_isStill)
            {
                UpdateInterrupt();
            }
        }
    }
}
