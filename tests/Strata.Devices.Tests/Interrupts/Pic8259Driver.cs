using Strata.Devices.Interrupts;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Interrupts;

/// <summary>A pair of controllers as a PC's firmware leaves it, and the sequences that drivers use.</summary>
public abstract class Pic8259Driver
{
    /// <summary>OCW2, non-specific end of interrupt.</summary>
    protected const int Eoi = 0x20;

    protected Pic8259Driver()
    {
        Pic = new Pic8259(Output.Add);
        Initialise();
    }

    protected Pic8259 Pic { get; }

    /// <summary>Every change of INTR.</summary>
    protected List<bool> Output { get; } = [];

    protected void Initialise(int masterBase = 0x20, int masterIcw4 = 1, int slaveIcw4 = 1)
    {
        Pic.Master.Out(0, 0x11);
        Pic.Master.Out(1, masterBase);
        Pic.Master.Out(1, 4);
        Pic.Master.Out(1, masterIcw4);
        Pic.Slave.Out(0, 0x11);
        Pic.Slave.Out(1, 0x28);
        Pic.Slave.Out(1, 2);
        Pic.Slave.Out(1, slaveIcw4);
    }

    protected byte AcknowledgeAndEnd()
    {
        byte vector = Pic.Acknowledge();
        Pic.Master.Out(0, 0x60 | (vector & 7));
        return vector;
    }

    protected (int Request, int Service) Registers()
    {
        Pic.Master.Out(0, 0x0A);
        int request = Pic.Master.In(0);
        Pic.Master.Out(0, 0x0B);
        return (request, Pic.Master.In(0));
    }
}
