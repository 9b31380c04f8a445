using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Devices.Display;

namespace Strata.Machines.Boards;

/// <summary>Shows memory over a device's window by a region of the address space.</summary>
/// <param name="address">Guest-physical address of the window.</param>
/// <param name="priority">Above the device's.</param>
internal sealed class RegionAperture(AddressSpace space, ulong address, int priority) : IMemoryAperture
{
    private MemoryRegion? _region; // the device's lock is over all calls

    public void Show(ulong offset, GuestMemory memory, ulong start, ulong length)
    {
        MemoryRegion region = MemoryRegion.Ram(address + offset, memory, start, length, priority);
        space.Change(_region is null ? [] : [_region], [region]);
        _region = region;
    }

    public void Hide()
    {
        if (_region is not null)
        {
            space.Change([_region], []);
            _region = null;
        }
    }
}
