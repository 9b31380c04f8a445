using Strata.Core.Bus;

namespace Strata.Devices.Power;

/// <summary>
/// Reset control register of the PIIX/ICH at port 0xCF9: bit 2 from 0 to 1 resets, bit 1 says hard or soft.
/// </summary>
public sealed class ResetControl(IMachineControl control) : IPortDevice
{
    private const byte ResetCpu = 1 << 2;
    private volatile byte _value;

    public uint ReadPort(ushort offset, AccessWidth width) => _value;

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        bool rising = (_value & ResetCpu) == 0 && (value & ResetCpu) != 0;
        _value = (byte)(value & 0xE);
        if (rising)
        {
            control.RequestReset("port 0xCF9");
        }
    }
}
