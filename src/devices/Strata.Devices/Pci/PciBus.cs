using Strata.Core.Bus;
using Strata.Core.Interrupts;

namespace Strata.Devices.Pci;

/// <summary>
/// PCI bus 0 with configuration mechanism #1 on ports 0xCF8 and 0xCFC. Functions are plugged in while the machine is built.
/// </summary>
public sealed class PciBus : IPortDevice
{
    private const int Slots = 32;
    private const int Links = 4;
    private const uint Enable = 1u << 31;

    private readonly AddressSpace _memory;
    private readonly IMsiSink _msi;
    private readonly SharedInterruptLine[] _links;
    private readonly PciFunction?[] _functions = new PciFunction?[Slots];
    private uint _address;

    /// <param name="linkLine">Interrupt line of PCI link 0..3.</param>
    public PciBus(AddressSpace memory, IMsiSink msi, Func<int, InterruptLine> linkLine)
    {
        _memory = memory;
        _msi = msi;
        _links = [.. Enumerable.Range(0, Links).Select(link => new SharedInterruptLine(linkLine(link)))];
        Plug(0, new HostBridge());
    }

    /// <summary>Ports 0xCF8..0xCFF.</summary>
    public const int PortCount = 8;

    /// <summary>What is plugged in, by slot. Complete when the machine is built.</summary>
    public IEnumerable<(int Slot, PciFunction Function)> Functions =>
        _functions.Index().Where(slot => slot.Item is not null).Select(slot => (slot.Index, slot.Item!));

    /// <summary>Puts a function into a slot, 0..31; slot 0 holds the host bridge.</summary>
    public void Plug(int slot, PciFunction function)
    {
        ArgumentNullException.ThrowIfNull(function);
        if (_functions[slot] is not null)
        {
            throw new InvalidOperationException($"PCI slot {slot} is taken.");
        }

        function.Plug(_memory, _links[slot % Links].CreateInput(), _msi);
        _functions[slot] = function;
    }

    public uint ReadPort(ushort offset, AccessWidth width)
    {
        if (offset < 4)
        {
            return width == AccessWidth.Dword ? _address : uint.MaxValue;
        }

        return Target(out int register) is { } function ? function.ReadConfig(register + offset - 4, width) : uint.MaxValue;
    }

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        if (offset < 4)
        {
            if (width == AccessWidth.Dword && offset == 0)
            {
                _address = value & 0x80FFFFFC;
            }

            return;
        }

        Target(out int register)?.WriteConfig(register + offset - 4, width, value);
    }

    private PciFunction? Target(out int register)
    {
        uint address = _address;
        register = (int)(address & 0xFC);
        bool bus0 = (address & Enable) != 0 && ((address >> 16) & 0xFF) == 0 && ((address >> 8) & 7) == 0;
        return bus0 ? _functions[(address >> 11) & 0x1F] : null;
    }

    /// <summary>Intel 440FX host bridge, as far as an operating system looks at it.</summary>
    private sealed class HostBridge() : PciFunction(new PciIdentity(0x8086, 0x1237, 0x060000, 2));
}
