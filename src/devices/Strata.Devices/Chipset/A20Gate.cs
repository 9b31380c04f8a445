using Strata.Core.Bus;
using Strata.Core.State;
using Strata.Devices.Power;

namespace Strata.Devices.Chipset;

/// <summary>
/// The gate on address line 20, with system control port A at 0x92, which switches it as the keyboard controller does: the last one to
/// write decides. While it is closed, the second MiB shows the first, as an 8086 wraps there; programs that rely on it reach no further.
/// IBM PS/2 Hardware Interface Technical Reference, "System Control Port A".
/// <code>
/// 92h  1 A20 gets through   0 from 0 to 1: reset
/// </code>
/// </summary>
public sealed class A20Gate(AddressSpace memory, IMachineControl control) : IPortDevice, IUnit<A20GateState>
{
    private const byte Enable = 1 << 1;
    private const byte FastReset = 1 << 0;
    private const ulong OneMegabyte = 0x10_0000;
    private const int AliasPriority = MemoryRegion.OverlayPriority + 100; // over everything

    private readonly Lock _gate = new();
    private readonly MemoryRegion _alias = MemoryRegion.Alias(OneMegabyte, OneMegabyte, 0, AliasPriority);

    // Guest-visible state, under _gate
    private bool _isEnabled = true;
    private byte _controlPort;

    public string UnitName => "a20";

    /// <summary>Opens or closes the gate, as the keyboard controller's output port does. Any thread.</summary>
    public void Set(bool isEnabled)
    {
        lock (_gate)
        {
            Switch(isEnabled);
        }
    }

    public uint ReadPort(ushort offset, AccessWidth width)
    {
        lock (_gate)
        {
            return (uint)((_controlPort & ~Enable) | (_isEnabled ? Enable : 0));
        }
    }

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        bool resets;
        lock (_gate)
        {
            resets = (_controlPort & FastReset) == 0 && (value & FastReset) != 0;
            _controlPort = (byte)value;
            Switch((value & Enable) != 0);
        }

        if (resets)
        {
            control.RequestReset("port 0x92");
        }
    }

    /// <summary>Open, as firmware finds it.</summary>
    public void Reset() => LoadState(new A20GateState { IsEnabled = true, ControlPort = 0 });

    public A20GateState SaveState()
    {
        lock (_gate)
        {
            return new A20GateState { IsEnabled = _isEnabled, ControlPort = _controlPort };
        }
    }

    public void LoadState(A20GateState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            _controlPort = state.ControlPort;
            Switch(state.IsEnabled);
        }
    }

    private void Switch(bool isEnabled)
    {
        if (isEnabled != _isEnabled)
        {
            _isEnabled = isEnabled;
            _ = isEnabled ? memory.Unmap(_alias) : memory.Change([], [_alias]);
        }
    }
}
