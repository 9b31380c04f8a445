using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Devices.Pci;
using Strata.Virtio.Queue;

namespace Strata.Virtio.Transport;

/// <summary>
/// Virtio over PCI, modern interface only. Virtual I/O Device (VIRTIO) 1.2, "Virtio Over PCI Bus". BAR 0 holds all structures, BAR 1 MSI-X.
/// <code>
/// BAR 0:  0000 common configuration   1000 ISR status   2000 device configuration   3000 notifications (one word a queue)
/// </code>
/// </summary>
public sealed partial class VirtioPci : PciFunction, IMmioDevice
{
    /// <summary>What PCI finds a network card by.</summary>
    public const ushort Vendor = 0x1AF4, NetworkDevice = DeviceBase + 1;

    private const ushort DeviceBase = 0x1040;
    private const uint BarSize = 0x4000;
    private const uint CommonOffset = 0x0000;
    private const uint IsrOffset = 0x1000;
    private const uint DeviceOffset = 0x2000;
    private const uint NotifyOffset = 0x3000;
    private const uint RegionSize = 0x1000;
    private const uint NotifyMultiplier = 4;
    private const uint StatusOffset = 0x14;
    private const byte StatusNeedsReset = 0x40;
    private const byte StatusFeaturesOk = 8;
    internal const byte StatusDriverOk = 4;

    private readonly VirtioDevice _device;
    private readonly Lock _gate = new();
    private readonly int _window;
    private uint _featureSelect;
    private uint _driverFeatureSelect;
    private ulong _driverFeatures;
    private ushort _configVector = MsixTable.NoVector;
    private volatile byte _status; // written under _gate
    private volatile bool _hadDriver; // the same
    private byte _generation;
    private ushort _queueSelect;
    private uint _isr; // under ConfigGate, as the interrupt line that follows it

    /// <param name="device">The device behind it.</param>
    /// <param name="rom">A program for firmware; null for none.</param>
    public VirtioPci(VirtioDevice device, GuestMemory? rom = null)
        : base(new PciIdentity(Vendor, (ushort)(DeviceBase + device.DeviceType), device.ClassCode, 1, Vendor, 0x40))
    {
        _device = device;
        _device.FunctionName = () => UnitName;
        _device.QueueInterrupt = SignalQueue;
        _device.NeedsReset = OnNeedsReset;
        _device.ConfigurationChanged = OnConfigurationChanged;
        UseInterruptPin(1);
        AddMemoryBar(0, BarSize, this);
        AddMsix(1, device.Queues.Count + 1);
        if (rom is not null)
        {
            AddRom(rom);
        }

        AddStructure(1, CommonOffset, RegionSize);
        AddStructure(3, IsrOffset, RegionSize);
        AddStructure(4, DeviceOffset, RegionSize);
        AddStructure(2, NotifyOffset, RegionSize, notifyMultiplier: NotifyMultiplier);
        _window = AddStructure(5, 0, 0, extra: 4);
        device.Start();
    }

    public ulong ReadMmio(ulong offset, AccessWidth width)
    {
        switch (offset & ~(RegionSize - 1UL))
        {
            case CommonOffset:
                lock (_gate)
                {
                    ulong register = ReadCommon((uint)offset & ~3u) | ((ulong)ReadCommon(((uint)offset & ~3u) + 4) << 32);
                    return register >> (int)((offset & 3) * 8);
                }

            case IsrOffset:
                return TakeInterruptStatus();
            case DeviceOffset:
                return ReadDevice((int)(offset - DeviceOffset), width);
            default:
                return 0;
        }
    }

    public void WriteMmio(ulong offset, AccessWidth width, ulong value)
    {
        switch (offset & ~(RegionSize - 1UL))
        {
            case CommonOffset when width == AccessWidth.Qword:
                WriteCommon((uint)offset, AccessWidth.Dword, (uint)value);
                WriteCommon((uint)offset + 4, AccessWidth.Dword, (uint)(value >> 32));
                break;
            case CommonOffset:
                WriteCommon((uint)offset, width, (uint)value);
                break;
            case DeviceOffset:
                _device.WriteConfiguration((int)(offset - DeviceOffset), width, value);
                break;
            case NotifyOffset when (_status & StatusDriverOk) != 0:
                _device.Notify((int)((offset - NotifyOffset) / NotifyMultiplier));
                break;
            default:
                break;
        }
    }

    /// <summary>Whether a driver has taken the device since the machine's start or reset.</summary>
    public bool HadDriver => _hadDriver;

    /// <summary>Whether a driver has it now.</summary>
    public bool HasDriver => (_status & StatusDriverOk) != 0;

    /// <summary>The device and what its driver made of it. Any thread; may wait for a request that is being served.</summary>
    public VirtioInspection InspectVirtio()
    {
        using (_device.Hold())
        {
            lock (_gate)
            {
                return new VirtioInspection
                {
                    DeviceType = _device.DeviceType,
                    TypeName = VirtioNames.OfType(_device.DeviceType),
                    Status = _status,
                    Offered = VirtioNames.OfFeatures(_device.DeviceType, _device.Features | VirtioDevice.CommonFeatures),
                    Negotiated = VirtioNames.OfFeatures(_device.DeviceType, _driverFeatures),
                    Queues = [.. _device.Queues.Select((queue, index) => queue.Inspect(index))],
                };
            }
        }
    }

    /// <summary>The configuration-access window: reads the BAR through configuration space.</summary>
    protected override void PrepareConfigRead(int offset, AccessWidth width)
    {
        if (offset >= _window + 16 && offset < _window + 20 && TryGetWindow(out ulong at, out AccessWidth size))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(Config[(_window + 16)..], (uint)ReadMmio(at, size));
        }
    }

    protected override void AfterConfigWrite(int offset, AccessWidth width)
    {
        if (offset + (int)width > _window + 16 && offset < _window + 20 && TryGetWindow(out ulong at, out AccessWidth size))
        {
            WriteMmio(at, size, BinaryPrimitives.ReadUInt32LittleEndian(Config[(_window + 16)..]) & size.Mask());
        }
    }

    private bool TryGetWindow(out ulong offset, out AccessWidth width)
    {
        offset = BinaryPrimitives.ReadUInt32LittleEndian(Config[(_window + 8)..]);
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(Config[(_window + 12)..]);
        width = (AccessWidth)length;
        return Config[_window + 4] == 0 && length is 1 or 2 or 4 && offset < BarSize && offset % length == 0;
    }

    /// <summary>A vendor capability that says where a structure lies.</summary>
    private int AddStructure(byte type, uint offset, uint length, uint? notifyMultiplier = null, int extra = 0)
    {
        bool window = type == 5;
        byte[] body = new byte[14 + (notifyMultiplier is null ? 0 : 4) + extra];
        body[0] = (byte)(body.Length + 2);
        body[1] = type;
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(6), offset);
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(10), length);
        if (notifyMultiplier is { } multiplier)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(14), multiplier);
        }

        byte[] writable = new byte[body.Length];
        if (window)
        {
            writable[2] = 0xFF;
            writable.AsSpan(6).Fill(0xFF);
        }

        return AddCapability(PciConfigVendorCapability, body, writable);
    }

    private const byte PciConfigVendorCapability = 0x09;

    private VirtQueue? Selected => _queueSelect < _device.Queues.Count ? _device.Queues[_queueSelect] : null;

    private uint ReadCommon(uint offset) => offset switch
    {
        0x00 => _featureSelect,
        0x04 => _featureSelect < 2 ? (uint)((_device.Features | VirtioDevice.CommonFeatures) >> (int)(_featureSelect * 32)) : 0,
        0x08 => _driverFeatureSelect,
        0x0C => _driverFeatureSelect < 2 ? (uint)(_driverFeatures >> (int)(_driverFeatureSelect * 32)) : 0,
        0x10 => _configVector | ((uint)_device.Queues.Count << 16),
        0x14 => _status | ((uint)_generation << 8) | ((uint)_queueSelect << 16),
        0x18 => Selected is { } q ? q.Size | ((uint)q.Vector << 16) : (uint)MsixTable.NoVector << 16,
        0x1C => Selected is { } q ? (q.IsEnabled ? 1u : 0) | ((uint)_queueSelect << 16) : 0,
        0x20 => (uint)(Selected?.DescriptorTable ?? 0),
        0x24 => (uint)((Selected?.DescriptorTable ?? 0) >> 32),
        0x28 => (uint)(Selected?.AvailableRing ?? 0),
        0x2C => (uint)((Selected?.AvailableRing ?? 0) >> 32),
        0x30 => (uint)(Selected?.UsedRing ?? 0),
        0x34 => (uint)((Selected?.UsedRing ?? 0) >> 32),
        _ => 0,
    };

    private void WriteCommon(uint offset, AccessWidth width, uint value)
    {
        using (_device.Hold())
        {
            lock (_gate)
            {
                WriteRegister(offset, value);
            }
        }

        if (offset == StatusOffset && (byte)value == 0)
        {
            TakeInterruptStatus(); // here, because ConfigGate comes before the other two
        }
    }

    private void WriteRegister(uint offset, uint value)
    {
        switch (offset)
        {
            case 0x00:
                _featureSelect = value;
                break;
            case 0x08:
                _driverFeatureSelect = value;
                break;
            case 0x0C when _driverFeatureSelect < 2:
                int shift = (int)_driverFeatureSelect * 32;
                _driverFeatures = (_driverFeatures & ~(0xFFFFFFFFUL << shift)) | ((ulong)value << shift);
                break;
            case 0x10:
                _configVector = CheckVector((ushort)value);
                break;
            case StatusOffset:
                WriteStatus((byte)value);
                break;
            case 0x16:
                _queueSelect = (ushort)value;
                break;
            default:
                WriteQueue(offset, value);
                break;
        }
    }

    private void WriteQueue(uint offset, uint value)
    {
        if (Selected is not { } queue)
        {
            return;
        }

        switch (offset)
        {
            case 0x18 when value is > 0 and <= VirtQueue.MaxSize && (value & (value - 1)) == 0 && !queue.IsEnabled:
                queue.Size = (ushort)value;
                break;
            case 0x1A:
                queue.Vector = CheckVector((ushort)value);
                break;
            case 0x1C when value == 1:
                queue.UsesEventIndex = (_driverFeatures & VirtioDevice.EventIndexFeature) != 0;
                queue.IsEnabled = true;
                break;
            case 0x20:
                queue.DescriptorTable = (queue.DescriptorTable & ~0xFFFFFFFFUL) | value;
                break;
            case 0x24:
                queue.DescriptorTable = (uint)queue.DescriptorTable | ((ulong)value << 32);
                break;
            case 0x28:
                queue.AvailableRing = (queue.AvailableRing & ~0xFFFFFFFFUL) | value;
                break;
            case 0x2C:
                queue.AvailableRing = (uint)queue.AvailableRing | ((ulong)value << 32);
                break;
            case 0x30:
                queue.UsedRing = (queue.UsedRing & ~0xFFFFFFFFUL) | value;
                break;
            case 0x34:
                queue.UsedRing = (uint)queue.UsedRing | ((ulong)value << 32);
                break;
            default:
                break;
        }
    }

    /// <summary>
    /// Zero resets. FEATURES_OK sticks only if the driver took a subset that includes VERSION_1 and has what its parts need.
    /// </summary>
    private void WriteStatus(byte value)
    {
        if (value == 0)
        {
            ResetRegisters();
            return;
        }

        if ((value & StatusFeaturesOk) != 0 && (_status & StatusFeaturesOk) == 0 && !IsAcceptable(_driverFeatures))
        {
            value &= unchecked((byte)~StatusFeaturesOk);
        }

        if ((value & ~_status & StatusFeaturesOk) != 0)
        {
            _device.SetNegotiated(_driverFeatures);
        }

        bool starts = (value & StatusDriverOk) != 0 && (_status & StatusDriverOk) == 0;
        _status = (byte)(value | (_status & StatusNeedsReset));
        if (starts)
        {
            _hadDriver = true;
            _device.SetDriver(_driverFeatures);
        }
    }

    private bool IsAcceptable(ulong features) => (features & ~(_device.Features | VirtioDevice.CommonFeatures)) == 0
        && (features & VirtioDevice.Version1Feature) != 0 && _device.CanWorkWith(features);

    /// <summary>As after power-on: more than what a driver can do.</summary>
    private void ResetTransport()
    {
        using (_device.Hold())
        {
            lock (_gate)
            {
                ResetRegisters();
                _generation = 0;
                _hadDriver = false;
            }
        }

        TakeInterruptStatus();
    }

    private void ResetRegisters()
    {
        foreach (VirtQueue queue in _device.Queues)
        {
            queue.Reset();
        }

        _device.SetDriver(0);
        _status = 0;
        _driverFeatures = 0;
        _featureSelect = _driverFeatureSelect = 0;
        _queueSelect = 0;
        _configVector = MsixTable.NoVector;
    }

    /// <summary>Reading the ISR status acknowledges INTx.</summary>
    private uint TakeInterruptStatus()
    {
        lock (ConfigGate)
        {
            uint isr = _isr;
            _isr = 0;
            SetInterrupt(false);
            return isr;
        }
    }

    private ushort CheckVector(ushort vector) => vector < Msix!.Vectors ? vector : MsixTable.NoVector;

    private ulong ReadDevice(int offset, AccessWidth width)
    {
        ReadOnlySpan<byte> configuration = _device.Configuration;
        ulong value = 0;
        for (int i = (int)width - 1; i >= 0; i--)
        {
            value = (value << 8) | (offset + i < configuration.Length ? configuration[offset + i] : (byte)0);
        }

        return value;
    }

    private void SignalQueue(int index) => Signal(_device.Queues[index].Vector, 1);

    private void OnNeedsReset(string reason)
    {
        lock (_gate)
        {
            _status |= StatusNeedsReset;
            _generation++;
        }

        LogNeedsReset(_device.Log, VirtioNames.OfType(_device.DeviceType), reason);

        Signal(_configVector, 2);
    }

    private void OnConfigurationChanged()
    {
        lock (_gate)
        {
            _generation++;
        }

        Signal(_configVector, 2);
    }

    /// <summary>A driver that has reset the device in the meantime hears nothing any more.</summary>
    private void Signal(ushort vector, uint isrBit)
    {
        lock (ConfigGate)
        {
            if ((_status & StatusDriverOk) == 0)
            {
                return;
            }

            if (Msix!.IsEnabled)
            {
                Msix.Signal(vector);
                return;
            }

            _isr |= isrBit;
            SetInterrupt(true);
        }
    }
}
