using Strata.Core.Bus;

namespace Strata.Devices.Power;

/// <summary>The "isa-debug-exit" port of test suites: a write of v ends the run with code (v &lt;&lt; 1) | 1.</summary>
public sealed class DebugExit(IMachineControl control) : IPortDevice
{
    public uint ReadPort(ushort offset, AccessWidth width) => 0;

    public void WritePort(ushort offset, AccessWidth width, uint value) => control.RequestExit((int)((value << 1) | 1));
}
