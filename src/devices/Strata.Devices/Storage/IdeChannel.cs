using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.State;
using static Strata.Devices.Storage.Ata;

namespace Strata.Devices.Storage;

/// <summary>
/// An IDE channel with up to two drives. What a drive does with its medium runs on other threads, one piece after the other; the drive is
/// busy meanwhile. ANSI INCITS 361 (ATA/ATAPI-6).
/// </summary>
public sealed partial class IdeChannel : IUnit<IdeChannelState>, IPacketBus, IDisposable
{
    private const int StatusRegister = 7;
    private const int DeviceRegister = 6;

    // Wiring
    private readonly InterruptLine _line;
    private readonly IdeBusMaster _master;
    private readonly IdeWorker _worker = new();
    private readonly IdeDrive?[] _drives = new IdeDrive?[2];
    private readonly ILogger _log;

    // Guest-visible state, with the drives' under _gate
    private readonly Lock _gate = new();
    private byte _control;
    private bool _isSecond;
    private int _generation; // of resets: work that was begun before one ends without effect

    /// <param name="unitName">Such as <c>ide0</c>.</param>
    /// <param name="first">The channel's from here on, as <paramref name="second"/>; null for none.</param>
    /// <param name="log">Hears of media that fail; null for nobody.</param>
    public IdeChannel(string unitName, AddressSpace memory, InterruptLine line, IdeDrive? first, IdeDrive? second, ILogger? log = null)
    {
        UnitName = unitName;
        _line = line;
        _log = log ?? NullLogger.Instance;
        _master = new IdeBusMaster(memory);
        (_drives[0], _drives[1]) = (first, second);
        first?.Attach(this);
        second?.Attach(this);
    }

    /// <summary>
    /// Media are used on the thread that asks, for machines that do the same in every run. Set while the machine is built.
    /// </summary>
    public bool IsSynchronous
    {
        get => _worker.IsSynchronous;
        set => _worker.IsSynchronous = value;
    }

    /// <summary>Eight ports of the command block.</summary>
    public IPortDevice CommandBlock => new CommandPorts(this);

    /// <summary>The port of the control block.</summary>
    public IPortDevice ControlBlock => new ControlPort(this);

    private IdeDrive? Selected => _drives[_isSecond ? 1 : 0];

    private bool IsInterruptDue => Selected is { Interrupt: true } && (_control & ControlNoInterrupt) == 0;

    /// <summary>Waits for work that is under way, and frees the media.</summary>
    /// <exception cref="IOException">A medium could not be flushed.</exception>
    public void Dispose()
    {
        _worker.WaitUntilIdle();
        Array.ForEach(_drives, drive => drive?.Dispose());
    }

    void IIdeBus.UpdateInterrupt() => UpdateInterrupt();

    void IIdeBus.BeginDma() => BeginDma();

    void IIdeBus.Work(Action work, Action<bool> done)
    {
        int generation = _generation;
        _worker.Post(() =>
        {
            bool isDone = TryWork(work);
            lock (_gate)
            {
                if (generation == _generation)
                {
                    done(isDone);
                }
            }
        });
    }

    T IPacketBus.Between<T>(Func<T> action)
    {
        using ManualResetEventSlim done = new();
        T? result = default;
        _worker.Post(() =>
        {
            lock (_gate)
            {
                result = action();
            }

            done.Set();
        });
        done.Wait();
        return result!;
    }

    void IPacketBus.GiveUp()
    {
        _generation++;
        if ((_master.Status & IdeBusMaster.Active) != 0)
        {
            _master.Status = (byte)((_master.Status & ~IdeBusMaster.Active) | IdeBusMaster.Failed);
        }
    }

    private bool TryWork(Action work)
    {
        try
        {
            work();
            return true;
        }
        catch (IOException error)
        {
            LogFailed(_log, UnitName, error.Message);
            return false;
        }
    }

    private void UpdateInterrupt()
    {
        bool due = IsInterruptDue;
        if (due && !_line.IsHigh)
        {
            _master.Status |= IdeBusMaster.Interrupted;
        }

        _line.Set(due);
    }

    /// <summary>Begins to move if the drive waits for it and the guest has started the bus master.</summary>
    private void BeginDma()
    {
        const byte waits = StatusDataRequest;
        if (Selected is not { } drive || !drive.Transfer.IsDma || drive.Transfer.Kind == IdeTransferKind.None
            || (drive.Status & (waits | StatusBusy)) != waits || (_master.Command & IdeBusMaster.Start) == 0)
        {
            return;
        }

        _master.Status |= IdeBusMaster.Active;
        IdeTransfer transfer = drive.Transfer;
        bool toMemory = (_master.Command & IdeBusMaster.ToMemory) != 0;
        uint table = _master.Table;
        bool isMoved = false;
        bool entriesLeft = false;
        drive.BeginMove();
        ((IIdeBus)this).Work(() => isMoved = _master.Move(drive, transfer, toMemory, table, out entriesLeft), isDone =>
        {
            drive.EndMove();
            bool isWhole = isDone && isMoved;
            if (!isWhole)
            {
                _master.Status |= IdeBusMaster.Failed;
            }

            if (!isWhole || !entriesLeft)
            {
                _master.Status &= unchecked((byte)~IdeBusMaster.Active);
            }

            drive.EndDma(isWhole);
        });
    }

    private byte ReadRegister(int register)
    {
        if (Selected is not { } drive)
        {
            return 0;
        }

        switch (register)
        {
            case 1:
                return drive.Error;
            case >= 2 and <= 5:
                return drive.ReadAddress(register, (_control & ControlHighOrder) != 0);
            case DeviceRegister:
                return (byte)(drive.Device | DeviceObsolete);
            default:
                if (register == StatusRegister)
                {
                    drive.Interrupt = false;
                    UpdateInterrupt();
                }

                return drive.Status;
        }
    }

    private void WriteRegister(int register, byte value)
    {
        if (register == StatusRegister)
        {
            Execute(value);
            return;
        }

        _control &= unchecked((byte)~ControlHighOrder);
        if (register == DeviceRegister)
        {
            _isSecond = (value & DeviceSlave) != 0;
        }

        foreach (IdeDrive? drive in _drives)
        {
            // Both drives see what is written; one that is busy does not listen.
            if (drive is null || (drive.Status & (StatusBusy | StatusDataRequest)) != 0)
            {
                continue;
            }

            switch (register)
            {
                case 1:
                    drive.Features = value;
                    break;
                case DeviceRegister:
                    drive.Device = value;
                    break;
                default:
                    drive.WriteAddress(register, value);
                    break;
            }
        }

        UpdateInterrupt();
    }

    private void Execute(byte command)
    {
        if (command == Diagnostic)
        {
            ResetDrives();
            _isSecond = false;
            _drives[0]?.RaiseDiagnostic();
            return;
        }

        if (Selected is not { } drive || ((drive.Status & (StatusBusy | StatusDataRequest)) != 0 && command != DeviceReset))
        {
            return;
        }

        if (command == DeviceReset && drive.IsPacket)
        {
            _generation++;
        }

        drive.Interrupt = false;
        UpdateInterrupt();
        drive.Execute(command);
    }

    private void WriteControl(byte value)
    {
        bool begins = (value & ControlReset) != 0 && (_control & ControlReset) == 0;
        _control = value;
        if (begins)
        {
            _isSecond = false;
            ResetDrives();
        }

        UpdateInterrupt();
    }

    private void ResetDrives()
    {
        _generation++;
        foreach (IdeDrive? drive in _drives)
        {
            drive?.Reset(isHard: false);
        }

        UpdateInterrupt();
    }

    [LoggerMessage(200, LogLevel.Error, "A drive of {Unit} failed, and the guest was told so: {Reason}")]
    private static partial void LogFailed(ILogger logger, string unit, string reason);
}
