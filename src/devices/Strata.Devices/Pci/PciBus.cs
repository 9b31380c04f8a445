using Strata.Core.Bus;
using Strata.Core.Interrupts;

namespace Strata.Devices.Pci;

/// <summary>
/// PCI bus 0 with configuration mechanism #1 on ports 0xCF8 and 0xCFC. Functions are plugged in while the machine is built, up to eight
/// into a slot.
/// </summary>
public sealed partial class PciBus : IPortDevice
{
    internal const uint AddressMask = 0x80FFFFFC;

    private const int Slots = 32;
    private const int FunctionsOfSlot = 8;
    private const int Links = 4;
    private const uint Enable = 1u << 31;

    private readonly AddressSpace _memory;
    private readonly PortSpace? _ports;
    private readonly IMsiSink _msi;
    private readonly SharedInterruptLine[] _links;
    private readonly PciFunction?[] _functions = new PciFunction?[Slots * FunctionsOfSlot];
    private uint _address;

    /// <param name="linkLine">Interrupt line of PCI link 0..3.</param>
    /// <param name="ports">Where I/O BARs lead; null for a bus without such functions.</param>
    /// <param name="hostBridge">In slot 0; null for one that has no registers of its own.</param>
    public PciBus(
        AddressSpace memory, IMsiSink msi, Func<int, InterruptLine> linkLine, PortSpace? ports = null, PciFunction? hostBridge = null)
    {
        (_memory, _ports) = (memory, ports);
        _msi = msi;
        _links = [.. Enumerable.Range(0, Links).Select(link => new SharedInterruptLine(linkLine(link)))];
        Plug(0, hostBridge ?? new HostBridge());
    }

    /// <summary>Ports 0xCF8..0xCFF.</summary>
    public const int PortCount = 8;

    /// <summary>What is plugged in, by slot and number. Complete when the machine is built.</summary>
    public IEnumerable<(int Slot, int Number, PciFunction Function)> Functions => _functions.Index()
        .Where(place => place.Item is not null)
        .Select(place => (place.Index / FunctionsOfSlot, place.Index % FunctionsOfSlot, place.Item!));

    /// <summary>Puts a function into a slot, 0..31; slot 0 holds the host bridge.</summary>
    /// <param name="number">0..7. Guests look for further functions of a slot only if there is a function 0, so that one comes
    /// first.</param>
    public void Plug(int slot, PciFunction function, int number = 0)
    {
        ArgumentNullException.ThrowIfNull(function);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)slot, (uint)Slots, nameof(slot));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)number, (uint)FunctionsOfSlot, nameof(number));
        int place = (slot * FunctionsOfSlot) + number;
        if (_functions[place] is not null)
        {
            throw new InvalidOperationException($"PCI function {number} of slot {slot} is taken.");
        }

        PciFunction? first = _functions[slot * FunctionsOfSlot];
        if (number > 0 && first is null)
        {
            throw new InvalidOperationException($"PCI slot {slot} has no function 0: plug that in before function {number}.");
        }

        InterruptLine line = function.InterruptPin is { } pin ? _links[(slot + pin) % Links].CreateInput() : InterruptLine.Unconnected;
        function.Plug($"pci/{slot:x2}.{number}", _memory, _ports, line, _msi);
        _functions[place] = function;
        if (number > 0)
        {
            first!.SetMultiFunction();
        }
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
                _address = value & AddressMask;
            }

            return;
        }

        Target(out int register)?.WriteConfig(register + offset - 4, width, value);
    }

    private PciFunction? Target(out int register)
    {
        uint address = _address;
        register = (int)(address & 0xFC);
        bool bus0 = (address & Enable) != 0 && ((address >> 16) & 0xFF) == 0;
        return bus0 ? _functions[(address >> 8) & 0xFF] : null;
    }

    /// <summary>Intel 440FX host bridge, as far as an operating system looks at it.</summary>
    private sealed class HostBridge() : PciFunction(new PciIdentity(0x8086, 0x1237, 0x060000, 2));
}
