using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Strata.Core.Bus;
using Strata.Core.State;
using Strata.Devices.Pci;
using Strata.Devices.Workers;
using static Strata.Devices.Storage.Ahci.AhciRegisters;

namespace Strata.Devices.Storage.Ahci;

/// <summary>
/// SATA controller with six ports, as of Intel's ICH9, for disks and CD drives. Serial ATA AHCI 1.3.1; Intel ICH9 data sheet (316972). With
/// NCQ; without port multipliers, MSI, command completion coalescing and power management of links. A worker takes commands one after the
/// other; what the guest asks ports to do happens there, between two of them.
/// </summary>
public sealed partial class AhciController : PciFunction, IMmioDevice, IDwordRegisters, IDisposable
{
    /// <summary>Drives that it takes.</summary>
    public const int MostDrives = PortCount;

    private const uint BarSize = 0x1000;
    private const int AhciBar = 5;

    // Wiring
    private readonly AddressSpace _memory;
    private readonly DeviceWorker _worker;
    private readonly DriveBus _bus;
    private readonly Unit _unit;

    // Guest-visible state, under _gate, with the ports' registers
    private readonly Lock _gate = new();
    private readonly AhciPort[] _ports;
    private uint _control = GhcAhci;
    private uint _interrupts;
    private bool _isResetWanted;
    private int _lastPort;

    /// <param name="drives">Up to six, by their ports; the controller's from here on. Null for an empty port.</param>
    public AhciController(AddressSpace memory, IReadOnlyList<IdeDrive?> drives)
        : base(new PciIdentity(0x8086, 0x2922, 0x010601, 2, 0x1AF4, 0x1100))
    {
        ArgumentNullException.ThrowIfNull(drives);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(drives.Count, PortCount, nameof(drives));
        _memory = memory;
        _bus = new DriveBus(this);
        _ports = [.. Enumerable.Range(0, PortCount).Select(number => new AhciPort(number, drives.ElementAtOrDefault(number)))];
        foreach (AhciPort port in _ports)
        {
            port.Drive?.Attach(_bus);
            port.Reset();
        }

        _worker = new DeviceWorker("strata-ahci", Work);
        _unit = new Unit(this);
        UseInterruptPin(1);
        AddMemoryBar(AhciBar, BarSize, this);
    }

    /// <summary>Drives on the ports, from the first on.</summary>
    public int DriveCount => _ports.Count(port => port.Drive is not null);

    /// <summary>Where failures of disks are reported.</summary>
    public ILogger Log { get; set; } = NullLogger.Instance;

    /// <summary>Commands are executed within the write that issues them, for machines that do the same in every run.</summary>
    public bool IsSynchronous
    {
        get => _worker.IsSynchronous;
        set => _worker.IsSynchronous = value;
    }

    public override IEnumerable<IUnit> Units => [this, _unit];

    public ulong ReadMmio(ulong offset, AccessWidth width)
    {
        lock (_gate)
        {
            return DwordRegisters.Read(this, offset, width);
        }
    }

    /// <summary>Registers are written by aligned doublewords and quadwords; other accesses are ignored.</summary>
    public void WriteMmio(ulong offset, AccessWidth width, ulong value)
    {
        if (!DwordRegisters.CanWrite(offset, width))
        {
            return;
        }

        lock (_gate)
        {
            DwordRegisters.Write(this, offset, width, value);

            UpdateInterrupt();
        }

        _worker.Wake();
    }

    /// <summary>Ends the thread, and disposes the drives with their media.</summary>
    public void Dispose()
    {
        _worker.Dispose();
        Array.ForEach(_ports, port => port.Drive?.Dispose());
    }

    /// <summary>The guest may let the function reach memory after it issued.</summary>
    protected override void AfterConfigWrite(int offset, AccessWidth width)
    {
        if (IsBusMaster)
        {
            _worker.Wake();
        }
    }

    private static (int Port, int Register) PlaceOf(int offset) => ((offset - FirstPort) / PortStride, (offset - FirstPort) % PortStride);

    uint IDwordRegisters.ReadRegister(int offset)
    {
        if (offset >= FirstPort)
        {
            (int number, int register) = PlaceOf(offset);
            return number < PortCount ? ReadPort(_ports[number], register) : 0;
        }

        return offset switch
        {
            CAP => Capabilities,
            GHC => _control | (_isResetWanted ? GhcReset : 0),
            IS => _interrupts,
            PI => (1 << PortCount) - 1,
            VS => AhciRegisters.Version,
            _ => 0,
        };
    }

    private static uint ReadPort(AhciPort port, int register) => register switch
    {
        PxCLB => (uint)port.CommandList,
        PxCLBU => (uint)(port.CommandList >> 32),
        PxFB => (uint)port.Fis,
        PxFBU => (uint)(port.Fis >> 32),
        PxIS => port.Interrupts | ((port.Error & SerrExchanged) != 0 ? IsConnect : 0),
        PxIE => port.InterruptEnable,
        PxCMD => port.Command,
        PxTFD => port.TaskFile,
        PxSIG => port.Signature,
        PxSSTS => port.Status,
        PxSCTL => port.Control,
        PxSERR => port.Error,
        PxSACT => port.Active,
        PxCI => port.Issued,
        _ => 0,
    };

    void IDwordRegisters.WriteRegister(int offset, uint value)
    {
        if (offset >= FirstPort)
        {
            (int number, int register) = PlaceOf(offset);
            if (number < PortCount)
            {
                WritePort(_ports[number], register, value);
            }

            return;
        }

        switch (offset)
        {
            case GHC:
                _control = GhcAhci | (value & GhcInterrupts);
                _isResetWanted |= (value & GhcReset) != 0;
                break;
            case IS:
                _interrupts &= ~value;
                break;
            default:
                break;
        }
    }

    private static void WritePort(AhciPort port, int register, uint value)
    {
        switch (register)
        {
            case PxCLB:
                port.CommandList = (port.CommandList & ~0xFFFF_FFFFUL) | (value & ~0x3FFu);
                break;
            case PxCLBU:
                port.CommandList = (uint)port.CommandList | ((ulong)value << 32);
                break;
            case PxFB:
                port.Fis = (port.Fis & ~0xFFFF_FFFFUL) | (value & ~0xFFu);
                break;
            case PxFBU:
                port.Fis = (uint)port.Fis | ((ulong)value << 32);
                break;
            case PxIS:
                port.Interrupts &= ~value;
                break;
            case PxIE:
                port.InterruptEnable = value & IeWritable;
                break;
            case PxCMD:
                WriteCommand(port, value);
                break;
            case PxSCTL:
                WriteControl(port, value);
                break;
            case PxSERR:
                port.Error &= ~value;
                break;
            case PxSACT when (port.Command & CmdStart) != 0:
                port.Active |= value;
                break;
            case PxCI when (port.Command & CmdStart) != 0:
                port.Issued |= value;
                break;
            default:
                break;
        }
    }

    private static void WriteCommand(AhciPort port, uint value)
    {
        uint old = port.Command;
        uint kept = old & (CmdSpinUp | CmdPowerOn | CmdSlot | CmdListRunning);
        port.Command = kept | (value & CmdWritable) | ((value & CmdFisEnable) != 0 ? CmdFisRunning : 0);
        if ((old & CmdStart) != 0 && (value & CmdStart) == 0)
        {
            port.IsStopWanted = true;
        }
        else if ((old & CmdStart) == 0 && (value & CmdStart) != 0 && !port.IsStopWanted)
        {
            port.Command |= CmdListRunning;
        }

        if ((value & CmdOverride) != 0)
        {
            port.TaskFile &= ~0x88u; // BSY and DRQ
        }
    }

    /// <summary>PxSCTL.DET: 1 holds the link in a reset, which ends with another value.</summary>
    private static void WriteControl(AhciPort port, uint value)
    {
        bool wasHeld = (port.Control & SctlDetect) == 1;
        port.Control = value & 0xFFF;
        bool isHeld = (value & SctlDetect) == 1;
        if (isHeld && !wasHeld)
        {
            (port.Status, port.TaskFile) = (0, 0x7F);
        }
        else if (wasHeld && !isHeld)
        {
            port.IsResetWanted = true;
        }
    }

    private void UpdateInterrupt()
    {
        foreach (AhciPort port in _ports)
        {
            if ((ReadPort(port, PxIS) & port.InterruptEnable) != 0)
            {
                _interrupts |= 1u << port.Number;
            }
        }

        SetInterrupt((_control & GhcInterrupts) != 0 && _interrupts != 0);
    }

    [LoggerMessage(210, LogLevel.Error, "A drive of the AHCI controller failed, and the guest was told so: {Reason}")]
    private static partial void LogFailed(ILogger logger, string reason);

    /// <summary>
    /// What drives ask of their bus: everything happens at once, on the worker's thread; data phases are moved by who executes.
    /// </summary>
    private sealed class DriveBus(AhciController owner) : IIdeBus
    {
        public void UpdateInterrupt()
        {
        }

        public void BeginDma()
        {
        }

        public void Work(Action work, Action<bool> done)
        {
            bool isDone = true;
            try
            {
                work();
            }
            catch (IOException error)
            {
                LogFailed(owner.Log, error.Message);
                isDone = false;
            }

            done(isDone);
        }
    }
}
