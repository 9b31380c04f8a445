using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.Memory;

namespace Strata.Devices.Pci;

/// <summary>
/// One PCI function with BARs, an expansion ROM, capabilities, INTx and MSI-X. A device derives from it, adds BARs and capabilities
/// in its constructor, and is plugged into a <see cref="PciBus"/>. Configuration accesses hold <see cref="ConfigGate"/>.
/// </summary>
public abstract partial class PciFunction
{
    /// <summary>Bytes of configuration space.</summary>
    internal const int ConfigSize = 256;

    private const int HeaderSize = 0x40;
    private const int RomIndex = 6; // behind the BARs, as inspections count

    private readonly byte[] _config = new byte[ConfigSize];
    private readonly byte[] _writable = new byte[ConfigSize];
    private readonly PciBar?[] _bars = new PciBar?[RomIndex + 1];
    private AddressSpace? _memory;
    private PortSpace? _ports;
    private InterruptLine? _line;
    private int _nextCapability = HeaderSize;
    private int _lastCapability;
    private bool _interrupt;
    private long _lineInterrupts; // under ConfigGate

    protected PciFunction(PciIdentity identity)
    {
        Put16(PciConfig.VendorId, identity.VendorId);
        Put16(PciConfig.DeviceId, identity.DeviceId);
        _config[PciConfig.Revision] = identity.Revision;
        _config[PciConfig.ClassCode] = (byte)identity.ClassCode;
        Put16(PciConfig.ClassCode + 1, (ushort)(identity.ClassCode >> 8));
        Put16(PciConfig.SubsystemVendor, identity.SubsystemVendorId);
        Put16(PciConfig.SubsystemId, identity.SubsystemId);
        BinaryPrimitives.WriteUInt16LittleEndian(_writable.AsSpan(PciConfig.Command), PciConfig.CommandWritable);
        _writable[PciConfig.InterruptLine] = 0xFF;
    }

    /// <summary>Held over every configuration access; BAR handlers run without it.</summary>
    protected Lock ConfigGate { get; } = new();

    /// <summary>The guest allows this function to read and write memory on its own.</summary>
    public bool IsBusMaster => (Get16(PciConfig.Command) & PciConfig.CommandBusMaster) != 0;

    /// <summary>MSI-X, if <see cref="AddMsix"/> was called.</summary>
    public MsixTable? Msix { get; private set; }

    /// <summary>Connects the function to the machine; the bus calls it once.</summary>
    internal void Plug(string unitName, AddressSpace memory, PortSpace? ports, InterruptLine line, IMsiSink msi)
    {
        UnitName = unitName;
        (_memory, _ports) = (memory, ports);
        _line = line;
        Msix?.Connect(msi);
        _config.CopyTo(_powerOn, 0);
        lock (ConfigGate)
        {
            ApplyConfig(isLoading: false);
        }
    }

    /// <summary>Tells the guest that the device has further functions.</summary>
    internal void SetMultiFunction()
    {
        _config[PciConfig.HeaderType] |= PciConfig.HeaderMultiFunction;
        _powerOn[PciConfig.HeaderType] = _config[PciConfig.HeaderType];
    }

    /// <summary>The pin it interrupts by, 0 for INTA#; null without one.</summary>
    internal int? InterruptPin => _config[PciConfig.InterruptPin] is var pin and > 0 ? pin - 1 : null;

    /// <summary>Reads 1, 2 or 4 bytes of configuration space.</summary>
    public uint ReadConfig(int offset, AccessWidth width)
    {
        lock (ConfigGate)
        {
            PrepareConfigRead(offset, width);
            uint value = 0;
            for (int i = (int)width - 1; i >= 0; i--)
            {
                value = (value << 8) | (offset + i < ConfigSize ? _config[offset + i] : (byte)0xFF);
            }

            return value;
        }
    }

    /// <summary>Writes 1, 2 or 4 bytes of configuration space.</summary>
    public void WriteConfig(int offset, AccessWidth width, uint value)
    {
        lock (ConfigGate)
        {
            for (int i = 0; i < (int)width && offset + i < ConfigSize; i++)
            {
                byte mask = _writable[offset + i];
                _config[offset + i] = (byte)((_config[offset + i] & ~mask) | ((byte)(value >> (8 * i)) & mask));
            }

            bool decodes = offset < PciConfig.Rom + 4 && offset + (int)width > PciConfig.Command;
            if (decodes)
            {
                UpdateBars();
            }

            if (Msix is { } msix && offset + (int)width > msix.Capability && offset < msix.Capability + 4)
            {
                msix.SetControl(Get16(msix.Capability + 2));
            }

            UpdateLine();
            AfterConfigWrite(offset, width);
            ApplyConfig(isLoading: false);
        }
    }

    /// <summary>What the function is set to now. Any thread.</summary>
    public PciInspection Inspect()
    {
        lock (ConfigGate)
        {
            return new PciInspection
            {
                VendorId = Get16(PciConfig.VendorId),
                DeviceId = Get16(PciConfig.DeviceId),
                ClassCode = _config[PciConfig.ClassCode] | ((uint)Get16(PciConfig.ClassCode + 1) << 8),
                IsBusMaster = IsBusMaster,
                Bars = [.. _bars.Index().Where(bar => bar.Item is not null)
                    .Select(bar => new BarInspection(bar.Index, bar.Item!.Size, bar.Item.Mapped))],
                LineInterrupts = _lineInterrupts,
                Msix = Msix?.Inspect(),
            };
        }
    }

    /// <summary>Hook for capabilities whose registers are windows; under <see cref="ConfigGate"/>.</summary>
    protected virtual void PrepareConfigRead(int offset, AccessWidth width)
    {
    }

    /// <summary>Hook after a write; under <see cref="ConfigGate"/>.</summary>
    protected virtual void AfterConfigWrite(int offset, AccessWidth width)
    {
    }

    /// <summary>
    /// Hook for registers of the function's own that change what it does: takes over what configuration space says now. After a write, a
    /// reset and a load, and once when the function is plugged in; under <see cref="ConfigGate"/>.
    /// </summary>
    /// <param name="isLoading">After a load: wires are restored, not driven.</param>
    protected virtual void ApplyConfig(bool isLoading)
    {
    }

    /// <summary>Adds a 32-bit memory BAR.</summary>
    /// <param name="size">Bytes; a power of two, at least 4 KiB.</param>
    protected void AddMemoryBar(int index, uint size, IMmioDevice device) => AddBar(index, new DeviceBar(CheckSize(size), device));

    /// <summary>Adds a 32-bit prefetchable memory BAR behind which there is memory: processors use it as they use RAM.</summary>
    /// <param name="memory">A power of two of bytes, at most 2 GiB; all of it shows.</param>
    protected void AddRamBar(int index, GuestMemory memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        AddBar(index, new RamBar(CheckSize((uint)memory.Size), memory, isReadOnly: false));
        _config[PciConfig.Bar0 + (index * 4)] |= PciConfig.BarPrefetchable;
    }

    /// <summary>Adds a BAR of I/O ports. The bus has to have some.</summary>
    /// <param name="size">Ports; a power of two, 4 to 256.</param>
    protected void AddIoBar(int index, int size, IPortDevice device)
    {
        if (size is < 4 or > 256 || (size & (size - 1)) != 0)
        {
            throw new ArgumentException($"An I/O BAR has a power of two of ports from 4 to 256, not {size}.", nameof(size));
        }

        AddBar(index, new PortBar((uint)size, device));
        _config[PciConfig.Bar0 + (index * 4)] |= PciConfig.BarIo;
    }

    /// <summary>Adds the expansion ROM, which firmware looks for a program in.</summary>
    /// <param name="memory">A power of two of bytes, from 4 KiB on; all of it shows.</param>
    protected void AddRom(GuestMemory memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        uint size = CheckSize((uint)memory.Size);
        _bars[RomIndex] = new RamBar(size, memory, isReadOnly: true);
        BinaryPrimitives.WriteUInt32LittleEndian(_writable.AsSpan(PciConfig.Rom), ~(size - 1) | PciConfig.RomEnable);
    }

    /// <summary>Sets registers of the function's own, or those of the header that it has beyond the usual.</summary>
    /// <param name="value">What they are after power-on.</param>
    /// <param name="writable">Mask of the bits that a guest can write; what is left out it cannot.</param>
    protected void AddRegisters(int offset, ReadOnlySpan<byte> value, ReadOnlySpan<byte> writable)
    {
        value.CopyTo(_config.AsSpan(offset));
        writable.CopyTo(_writable.AsSpan(offset));
    }

    /// <summary>Adds a capability; its first two bytes (ID, next) are filled in.</summary>
    /// <param name="body">The bytes behind ID and next pointer.</param>
    /// <param name="writable">Mask of guest-writable bits of <paramref name="body"/>.</param>
    /// <returns>Its offset in configuration space.</returns>
    protected int AddCapability(byte id, ReadOnlySpan<byte> body, ReadOnlySpan<byte> writable)
    {
        int offset = _nextCapability;
        _config[offset] = id;
        body.CopyTo(_config.AsSpan(offset + 2));
        writable.CopyTo(_writable.AsSpan(offset + 2));
        _config[_lastCapability == 0 ? PciConfig.Capabilities : _lastCapability + 1] = (byte)offset;
        _lastCapability = offset;
        _nextCapability = (offset + 2 + body.Length + 3) & ~3;
        Put16(PciConfig.Status, (ushort)(Get16(PciConfig.Status) | PciConfig.StatusCapabilities));
        return offset;
    }

    /// <summary>Adds MSI-X with its table in a BAR of its own.</summary>
    protected void AddMsix(int barIndex, int vectors)
    {
        Msix = new MsixTable(vectors);
        byte[] body = new byte[10];
        BinaryPrimitives.WriteUInt16LittleEndian(body, (ushort)(vectors - 1));
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(2), (uint)barIndex);
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(6), (uint)(MsixTable.PendingOffset | barIndex));
        byte[] writable = new byte[10];
        writable[1] = 0xC0; // enable, function mask
        Msix.Capability = AddCapability(PciConfig.CapabilityMsix, body, writable);
        AddMemoryBar(barIndex, MsixTable.BarSize, Msix);
    }

    /// <summary>Says which INTx pin the function uses: 1 is INTA#.</summary>
    protected void UseInterruptPin(byte pin) => _config[PciConfig.InterruptPin] = pin;

    /// <summary>Drives the INTx line. Any thread.</summary>
    protected void SetInterrupt(bool high)
    {
        lock (ConfigGate)
        {
            _interrupt = high;
            UpdateStatus();
            UpdateLine();
        }
    }

    protected Span<byte> Config => _config;

    private void UpdateStatus()
    {
        ushort status = Get16(PciConfig.Status);
        Put16(PciConfig.Status, (ushort)(_interrupt ? status | PciConfig.StatusInterrupt : status & ~PciConfig.StatusInterrupt));
    }

    private bool IsLineHigh =>
        _interrupt && (Get16(PciConfig.Command) & PciConfig.CommandInterruptDisable) == 0 && Msix is not { IsEnabled: true };

    private void UpdateLine()
    {
        bool high = IsLineHigh;
        if (high && _line is { IsHigh: false })
        {
            _lineInterrupts++;
        }

        _line?.Set(high);
    }

    private static uint CheckSize(uint size) => size >= 0x1000 && (size & (size - 1)) == 0
        ? size
        : throw new ArgumentException($"A BAR has a power of two of bytes from 4 KiB on, not {size}.", nameof(size));

    private void AddBar(int index, PciBar bar)
    {
        _bars[index] = bar;
        BinaryPrimitives.WriteUInt32LittleEndian(_writable.AsSpan(PciConfig.Bar0 + (index * 4)), ~(bar.Size - 1));
    }

    /// <summary>
    /// Moves each BAR to where the guest put it: all leave their old places before one takes a new one. A place that is taken leaves the
    /// BAR unmapped.
    /// </summary>
    private void UpdateBars()
    {
        if (_memory is null)
        {
            return;
        }

        foreach ((int index, PciBar? bar) in _bars.Index())
        {
            if (bar is { Mapped: { } old } && Place(index, bar) != old)
            {
                bar.Unmap(_memory, _ports);
            }
        }

        foreach ((int index, PciBar? bar) in _bars.Index())
        {
            if (bar is { Mapped: null } && Place(index, bar) is { } wanted)
            {
                bar.TryMap(wanted, _memory, _ports);
            }
        }
    }

    /// <summary>Where the guest wants a BAR; null for nowhere, and while it asks for the size.</summary>
    private ulong? Place(int index, PciBar bar)
    {
        int offset = index == RomIndex ? PciConfig.Rom : PciConfig.Bar0 + (index * 4);
        uint value = BinaryPrimitives.ReadUInt32LittleEndian(_config.AsSpan(offset));
        uint address = value & ~(bar.Size - 1);
        bool enabled = (Get16(PciConfig.Command) & (bar.IsIo ? PciConfig.CommandIo : PciConfig.CommandMemory)) != 0
            && (index != RomIndex || (value & PciConfig.RomEnable) != 0);
        bool sizing = address == ~(bar.Size - 1);
        return enabled && address != 0 && !sizing ? address : null;
    }

    /// <summary>Reads a register of two bytes.</summary>
    protected ushort Get16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(_config.AsSpan(offset));

    private void Put16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(_config.AsSpan(offset), value);
}
