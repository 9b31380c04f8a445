using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.State;
using Strata.Core.Storage;
using Strata.Devices.Dma;
using Strata.Devices.Workers;
using static Strata.Devices.Storage.Floppy.FloppyRegisters;

namespace Strata.Devices.Storage.Floppy;

/// <summary>
/// Diskette controller with two drives, by DMA or by its FIFO. Intel 82077AA data sheet (290166), in PC/AT mode: status registers A and B
/// are not there. Motors, head load and stepping take no time. Not there: SCAN commands, and sectors of other sizes than 512 bytes; all
/// data marks are ordinary ones.
/// </summary>
public sealed partial class Floppy82077 : IPortDevice, IUnit<Floppy82077State>, IDisposable
{
    /// <summary>Ports from 3F0h on. Port 3F6h is a disk controller's, and 3F7h is <see cref="DigitalInput"/>.</summary>
    public const int PortCount = 6;

    /// <summary>Drives that are there.</summary>
    public const int DriveCount = 2;

    internal const int MostCommandBytes = 9;
    internal const int MostResultBytes = 10;
    internal const int SectorSize = 512;

    // Wiring
    private readonly IsaDmaChannel _dma;
    private readonly InterruptLine _interrupt;
    private readonly DeviceWorker _worker;

    // Guest-visible state, under _gate; in the phase Execution the worker alone touches what belongs to the command
    private readonly Lock _gate = new();
    private readonly FloppyDrive[] _drives = [.. Enumerable.Range(0, DriveCount).Select(_ => new FloppyDrive())];
    private readonly List<byte> _command = [];
    private readonly Queue<byte> _result = new();
    private FloppyPhase _phase;
    private byte _dor;
    private byte _tdr;
    private byte _dsr;
    private byte _rate;           // DRATE SEL
    private byte _specify1;
    private byte _specify2;
    private byte _configure = ConfigureDefault;
    private byte _precompensation;
    private byte _perpendicular;
    private bool _isLocked;
    private bool _isInterrupting;
    private bool _isResetWanted;  // while a command is executed
    private byte _resetStatuses;  // SENSE INTERRUPT STATUS answers behind a reset that are still to come, 0..4
    private byte _seekStatus;     // ST0 of a seek that has ended
    private bool _hasSeekStatus;

    /// <param name="dma">Channel 2 of a PC.</param>
    /// <param name="interrupt">IRQ 6 of a PC.</param>
    public Floppy82077(IsaDmaChannel dma, InterruptLine interrupt)
    {
        _dma = dma;
        _interrupt = interrupt;
        _worker = new DeviceWorker("strata-floppy", Work);
        DigitalInput = new DigitalInputPort(this);
    }

    /// <summary>Port 3F7h.</summary>
    public IPortDevice DigitalInput { get; }

    /// <summary>Commands are executed within the access that completes them, for machines that do the same in every run.</summary>
    public bool IsSynchronous
    {
        get => _worker.IsSynchronous;
        set => _worker.IsSynchronous = value;
    }

    /// <summary>What a drive is to CMOS RAM, by what is in it now: 4 for an empty one.</summary>
    public byte DriveType(int drive)
    {
        lock (_gate)
        {
            return _drives[drive].DriveType;
        }
    }

    /// <summary>Whether there is a diskette in a drive.</summary>
    public bool HasDisk(int drive)
    {
        lock (_gate)
        {
            return _drives[drive].Disk is not null;
        }
    }

    /// <summary>
    /// Puts a diskette into a drive, or takes it out; the guest sees the change line. Waits for a command under way. Any thread.
    /// </summary>
    /// <param name="drive">0 or 1.</param>
    /// <param name="disk">The controller's from here on; null for none.</param>
    /// <returns>What was in the drive, the caller's again; null for nothing.</returns>
    /// <exception cref="ArgumentException">It has the size of no diskette.</exception>
    public IBlockBackend? Insert(int drive, IBlockBackend? disk)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)drive, (uint)DriveCount, nameof(drive));
        FloppyGeometry? geometry = disk is null ? null : FloppyGeometry.Find(disk.Sectors)
            ?? throw new ArgumentException(
                $"An image of {disk.Sectors / 2:N0} KiB is no diskette; diskettes have {FloppyGeometry.Sizes}.", nameof(disk));
        _worker.Park();
        try
        {
            lock (_gate)
            {
                return _drives[drive].Exchange(disk, geometry);
            }
        }
        finally
        {
            _worker.Unpark();
        }
    }

    public uint ReadPort(ushort offset, AccessWidth width)
    {
        byte value;
        bool wake = false;
        lock (_gate)
        {
            value = offset switch
            {
                DOR => _dor,
                TDR => _tdr,
                MSR => MainStatus(),
                FIFO => ReadFifo(out wake),
                _ => 0xFF,
            };
        }

        WakeIf(wake);
        return value;
    }

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        bool wake = false;
        lock (_gate)
        {
            switch (offset)
            {
                case DOR:
                    WriteDor((byte)value);
                    break;
                case TDR:
                    _tdr = (byte)(value & 3);
                    break;
                case MSR:
                    WriteDsr((byte)value);
                    break;
                case FIFO:
                    wake = WriteFifo((byte)value);
                    break;
                default:
                    break;
            }
        }

        WakeIf(wake);
    }

    /// <summary>Ends the thread, and disposes what is in the drives.</summary>
    public void Dispose()
    {
        _worker.Dispose();
        foreach (FloppyDrive drive in _drives)
        {
            drive.Exchange(null, null)?.Dispose();
        }
    }

    private void WakeIf(bool wake)
    {
        if (wake)
        {
            _worker.Wake();
        }
    }

    private byte MainStatus()
    {
        if ((_dor & DorReset) == 0 || _isResetWanted)
        {
            return 0;
        }

        return _phase switch
        {
            FloppyPhase.Command => (byte)(MsrRqm | (_command.Count > 0 ? MsrBusy : 0)),
            FloppyPhase.Execution => MsrBusy,
            FloppyPhase.Data => (byte)(MsrRqm | MsrBusy | MsrNonDma | (IsReading ? MsrDio : 0)),
            _ => MsrRqm | MsrDio | MsrBusy,
        };
    }

    private void WriteDor(byte value)
    {
        byte old = _dor;
        _dor = value;
        if ((value & DorReset) == 0)
        {
            ResetController();
        }
        else if ((old & DorReset) == 0)
        {
            EndReset();
        }

        UpdateInterrupt();
    }

    private void WriteDsr(byte value)
    {
        _dsr = (byte)(value & ~DsrReset);
        _rate = (byte)(value & RateSelect);
        if ((value & DsrReset) != 0)
        {
            ResetController();
            EndReset(); // it clears itself
        }

        UpdateInterrupt();
    }

    /// <summary>What RESET# and the software reset do. A command that is executed ends first: a disk has it.</summary>
    private void ResetController()
    {
        if (_phase == FloppyPhase.Execution)
        {
            _isResetWanted = true;
            return;
        }

        _isResetWanted = false;
        _phase = FloppyPhase.Command;
        _command.Clear();
        _result.Clear();
        _isInterrupting = false;
        _hasSeekStatus = false;
        _resetStatuses = 0;
        _perpendicular &= 0x3C; // drives' bits stay with a software reset
        if (!_isLocked)
        {
            _configure = ConfigureDefault;
            _precompensation = 0;
        }
    }

    /// <summary>The drives are polled behind a reset, and found to have become ready.</summary>
    private void EndReset()
    {
        if (!_isResetWanted && (_configure & ConfigurePollDisable) == 0)
        {
            _resetStatuses = 4;
            _isInterrupting = true;
        }
    }

    private void UpdateInterrupt() => _interrupt.Set(IsLineHigh);

    private bool IsLineHigh => _isInterrupting && (_dor & DorDmaGate) != 0;

    private FloppyDrive? Selected(int drive) => drive < DriveCount ? _drives[drive] : null;

    private sealed class DigitalInputPort(Floppy82077 floppy) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width)
        {
            lock (floppy._gate)
            {
                int drive = floppy._dor & DriveSelect;
                bool runs = (floppy._dor & (0x10 << drive)) != 0;
                return runs && floppy.Selected(drive) is { IsChanged: true } ? DirChanged : 0u;
            }
        }

        /// <summary>CCR.</summary>
        public void WritePort(ushort offset, AccessWidth width, uint value)
        {
            lock (floppy._gate)
            {
                floppy._rate = (byte)(value & RateSelect);
            }
        }
    }
}

/// <summary>What a diskette controller is about.</summary>
internal enum FloppyPhase : byte
{
    /// <summary>It takes bytes of a command.</summary>
    Command,

    /// <summary>The worker has the command.</summary>
    Execution,

    /// <summary>A buffer's bytes go through the FIFO.</summary>
    Data,

    /// <summary>It gives bytes of the result.</summary>
    Result,
}
