using Strata.Core.Bus;
using Strata.Core.Memory;

namespace Strata.Devices.Pci;

/// <summary>What a base address register leads to. Under its function's lock.</summary>
/// <param name="size">Bytes or ports; a power of two.</param>
internal abstract class PciBar(uint size)
{
    public uint Size => size;

    public virtual bool IsIo => false;

    /// <summary>Where it is; null for nowhere.</summary>
    public ulong? Mapped { get; private set; }

    /// <summary>Takes a place, if it is free.</summary>
    public void TryMap(ulong at, AddressSpace memory, PortSpace? ports) => Mapped = TryTake(at, memory, ports) ? at : null;

    /// <summary>Gives up its place.</summary>
    public void Unmap(AddressSpace memory, PortSpace? ports)
    {
        Leave(Mapped!.Value, memory, ports);
        Mapped = null;
    }

    protected abstract bool TryTake(ulong at, AddressSpace memory, PortSpace? ports);

    protected abstract void Leave(ulong at, AddressSpace memory, PortSpace? ports);
}

/// <summary>Registers in memory.</summary>
internal sealed class DeviceBar(uint size, IMmioDevice device) : PciBar(size)
{
    protected override bool TryTake(ulong at, AddressSpace memory, PortSpace? ports) => memory.TryMapDevice(at, Size, device);

    protected override void Leave(ulong at, AddressSpace memory, PortSpace? ports) => memory.UnmapDevice(at, device);
}

/// <summary>Memory of the device, or a ROM.</summary>
internal sealed class RamBar(uint size, GuestMemory content, bool isReadOnly) : PciBar(size)
{
    private MemoryRegion? _region;

    protected override bool TryTake(ulong at, AddressSpace memory, PortSpace? ports)
    {
        MemoryRegion region = isReadOnly
            ? MemoryRegion.Rom(at, content, 0, Size, MemoryRegion.DevicePriority)
            : MemoryRegion.Ram(at, content, 0, Size, MemoryRegion.DevicePriority);
        _region = memory.TryMap(region) ? region : null;
        return _region is not null;
    }

    protected override void Leave(ulong at, AddressSpace memory, PortSpace? ports)
    {
        memory.Unmap(_region!);
        _region = null;
    }
}

/// <summary>I/O ports.</summary>
internal sealed class PortBar(uint size, IPortDevice device) : PciBar(size)
{
    public override bool IsIo => true;

    protected override bool TryTake(ulong at, AddressSpace memory, PortSpace? ports) =>
        at <= ushort.MaxValue && ports?.TryMap((uint)at, (int)Size, device) == true;

    protected override void Leave(ulong at, AddressSpace memory, PortSpace? ports) => ports!.Unmap((ushort)at, (int)Size, device);
}
