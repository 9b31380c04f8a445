using Strata.Core.State;
using Strata.Core.Storage;
using Strata.Devices.Dma;
using Strata.Devices.Interrupts;
using Strata.Devices.Storage;
using Strata.Devices.Storage.Floppy;

namespace Strata.Machines.Boards;

/// <summary>The diskette controller of a PC, and the DMA controllers that it moves its data by.</summary>
internal sealed class PcFloppies : IDisposable
{
    private const int DmaChannel = 2;

    private readonly Dma8237 _dma;
    private readonly Floppy82077 _controller;

    public PcFloppies(BoardWiring wiring, IsaInterrupts interrupts)
    {
        _dma = new Dma8237(wiring.Memory);
        _controller = new Floppy82077(_dma.Channel(DmaChannel), interrupts.Line(PcMemoryMap.FloppyPin))
        {
            IsSynchronous = wiring.Options.Deterministic != null,
        };
        wiring.Ports.Map(PcMemoryMap.FirstDmaPort, Dma8237.FirstPortCount, _dma.First);
        wiring.Ports.Map(PcMemoryMap.DmaPagePort, Dma8237.PagePortCount, _dma.Pages);
        wiring.Ports.Map(PcMemoryMap.SecondDmaPort, Dma8237.SecondPortCount, _dma.Second);
        wiring.Ports.Map(PcMemoryMap.FloppyPort, Floppy82077.PortCount, _controller);
        wiring.Ports.Map(PcMemoryMap.FloppyInputPort, 1, _controller.DigitalInput);
    }

    /// <summary>In the order of loading.</summary>
    public IEnumerable<IUnit> Units => [_dma, _controller];

    /// <inheritdoc cref="Floppy82077.Insert"/>
    public IBlockBackend? Insert(int drive, IBlockBackend? disk) => _controller.Insert(drive, disk);

    /// <summary>A drive, for whoever changes its diskette.</summary>
    public IRemovableDrive Drive(int drive) => new Slot(_controller, drive);

    public void Dispose() => _controller.Dispose();

    /// <summary>A guest can neither shut a floppy drive nor put its diskette out.</summary>
    private sealed class Slot(Floppy82077 controller, int drive) : IRemovableDrive
    {
        public bool HasMedium => controller.HasDisk(drive);

        public bool IsOpen => false;

        public bool IsLocked => false;

        public void RequestEject()
        {
            // Nothing asks the guest: it sees the change line.
        }

        public IBlockBackend? Exchange(IBlockBackend? medium) => controller.Insert(drive, medium);
    }
}
