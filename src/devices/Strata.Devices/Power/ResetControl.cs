using Strata.Core.Bus;
using Strata.Core.State;

namespace Strata.Devices.Power;

/// <summary>
/// Reset control register of the PIIX/ICH at port 0xCF9: bit 2 from 0 to 1 resets, bit 1 says hard or soft.
/// </summary>
public sealed class ResetControl(IMachineControl control) : IPortDevice, IUnit<ResetControlState>
{
    internal const byte WritableBits = 0xE;

    private const byte ResetCpu = 1 << 2;

    // Guest-visible state
    private volatile byte _value;

    public string UnitName => "reset-control";

    public uint ReadPort(ushort offset, AccessWidth width) => _value;

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        bool rising = (_value & ResetCpu) == 0 && (value & ResetCpu) != 0;
        _value = (byte)(value & WritableBits);
        if (rising)
        {
            control.RequestReset("port 0xCF9");
        }
    }

    public void Reset() => _value = 0;

    public ResetControlState SaveState() => new() { Value = _value };

    public void LoadState(ResetControlState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        _value = state.Value;
    }
}
