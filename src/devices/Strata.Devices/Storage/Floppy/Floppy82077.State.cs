using Strata.Core.State;
using static Strata.Devices.Storage.Floppy.FloppyRegisters;

namespace Strata.Devices.Storage.Floppy;

/// <summary>State of the diskette controller and its drives; which diskettes are in them is configuration.</summary>
public sealed class Floppy82077State : IStateRecord<Floppy82077State>
{
    public static ushort Version => 1;

    /// <summary>0 takes a command, 1 executes it, 2 moves a buffer through the FIFO, 3 gives the result.</summary>
    public required byte Phase { get; set; }

    /// <summary>DOR.</summary>
    public required byte DigitalOutput { get; set; }

    /// <summary>TDR.</summary>
    public required byte TapeDrive { get; set; }

    /// <summary>DSR, without the bit that resets.</summary>
    public required byte DataRateSelect { get; set; }

    /// <summary>DRATE SEL, as DSR or CCR had it last.</summary>
    public required byte Rate { get; set; }

    /// <summary>Both bytes of SPECIFY.</summary>
    public required byte[] Specify { get; set; }

    public required byte Configure { get; set; }

    public required byte Precompensation { get; set; }

    public required byte Perpendicular { get; set; }

    public required bool IsLocked { get; set; }

    /// <summary>The controller asks for its interrupt, which DOR can hold back.</summary>
    public required bool IsInterrupting { get; set; }

    /// <summary>A reset waits for the end of the command.</summary>
    public required bool IsResetWanted { get; set; }

    /// <summary>Answers of SENSE INTERRUPT STATUS behind a reset that are still to come.</summary>
    public required byte ResetStatuses { get; set; }

    public required bool HasSeekStatus { get; set; }

    /// <summary>ST0 of a seek that has ended.</summary>
    public required byte SeekStatus { get; set; }

    /// <summary>What has come of a command; while one is executed, all of it.</summary>
    public required byte[] Command { get; set; }

    /// <summary>What is left of the result.</summary>
    public required byte[] Result { get; set; }

    public required byte Cylinder { get; set; }

    public required byte Head { get; set; }

    public required byte Sector { get; set; }

    /// <summary>Sectors that the command has done.</summary>
    public required int Moved { get; set; }

    /// <summary>EOT of the last command.</summary>
    public required byte LastEnd { get; set; }

    /// <summary>The buffer of a sector.</summary>
    public required byte[] Data { get; set; }

    public required short DataLength { get; set; }

    public required short DataAt { get; set; }

    public required bool IsTransferring { get; set; }

    /// <summary>Where the heads of each drive are.</summary>
    public required byte[] DriveCylinders { get; set; }

    /// <summary>Change lines, a bit a drive.</summary>
    public required byte Changed { get; set; }

    public static Floppy82077State Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new Floppy82077State
        {
            Phase = reader.Read<byte>(nameof(Phase), 0, (byte)FloppyPhase.Result),
            DigitalOutput = reader.Read<byte>(nameof(DigitalOutput)),
            TapeDrive = reader.ReadBits<byte>(nameof(TapeDrive), 3),
            DataRateSelect = reader.ReadBits<byte>(nameof(DataRateSelect), 0x7F),
            Rate = reader.ReadBits<byte>(nameof(Rate), RateSelect),
            Specify = reader.ReadExactly<byte>(nameof(Specify), 2),
            Configure = reader.ReadBits<byte>(nameof(Configure), ConfigureWritable),
            Precompensation = reader.Read<byte>(nameof(Precompensation)),
            Perpendicular = reader.ReadBits<byte>(nameof(Perpendicular), 0x3F),
            IsLocked = reader.ReadBoolean(nameof(IsLocked)),
            IsInterrupting = reader.ReadBoolean(nameof(IsInterrupting)),
            IsResetWanted = reader.ReadBoolean(nameof(IsResetWanted)),
            ResetStatuses = reader.Read<byte>(nameof(ResetStatuses), 0, 4),
            HasSeekStatus = reader.ReadBoolean(nameof(HasSeekStatus)),
            SeekStatus = reader.Read<byte>(nameof(SeekStatus)),
            Command = reader.ReadBytes(nameof(Command), Floppy82077.MostCommandBytes),
            Result = reader.ReadBytes(nameof(Result), Floppy82077.MostResultBytes),
            Cylinder = reader.Read<byte>(nameof(Cylinder)),
            Head = reader.Read<byte>(nameof(Head)),
            Sector = reader.Read<byte>(nameof(Sector)),
            Moved = reader.Read(nameof(Moved), 0, int.MaxValue / 2),
            LastEnd = reader.Read<byte>(nameof(LastEnd)),
            Data = reader.ReadExactly<byte>(nameof(Data), Floppy82077.SectorSize),
            DataLength = reader.Read<short>(nameof(DataLength), 0, Floppy82077.SectorSize),
            DataAt = reader.Read<short>(nameof(DataAt), 0, Floppy82077.SectorSize),
            IsTransferring = reader.ReadBoolean(nameof(IsTransferring)),
            DriveCylinders = reader.ReadExactly<byte>(nameof(DriveCylinders), Floppy82077.DriveCount),
            Changed = reader.ReadBits<byte>(nameof(Changed), (1 << Floppy82077.DriveCount) - 1),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Phase);
        writer.Write(DigitalOutput);
        writer.Write(TapeDrive);
        writer.Write(DataRateSelect);
        writer.Write(Rate);
        writer.WriteArray<byte>(Specify);
        writer.Write(Configure);
        writer.Write(Precompensation);
        writer.Write(Perpendicular);
        writer.Write(IsLocked);
        writer.Write(IsInterrupting);
        writer.Write(IsResetWanted);
        writer.Write(ResetStatuses);
        writer.Write(HasSeekStatus);
        writer.Write(SeekStatus);
        writer.WriteBytes(Command);
        writer.WriteBytes(Result);
        writer.Write(Cylinder);
        writer.Write(Head);
        writer.Write(Sector);
        writer.Write(Moved);
        writer.Write(LastEnd);
        writer.WriteArray<byte>(Data);
        writer.Write(DataLength);
        writer.Write(DataAt);
        writer.Write(IsTransferring);
        writer.WriteArray<byte>(DriveCylinders);
        writer.Write(Changed);
    }
}

/// <content>The controller as a unit of state.</content>
public sealed partial class Floppy82077
{
    public string UnitName => "floppy";

    /// <summary>Held in reset, with the heads where they were left; drives say that their diskettes may be others.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            _phase = FloppyPhase.Command;
            _isLocked = false;
            ResetController();
            (_dor, _tdr, _dsr, _rate, _perpendicular, _specify1, _specify2) = (0, 0, 0, 0, 0, 0, 0);
            (_cylinder, _head, _sector, _lastEnd, _seekStatus, _moved) = (0, 0, 0, 0, 0, 0);
            (_dataLength, _dataAt, _isTransferring) = (0, 0, false);
            Array.Clear(_data);
            foreach (FloppyDrive drive in _drives)
            {
                drive.IsChanged = true;
            }

            UpdateInterrupt();
        }
    }

    public void Quiesce() => _worker.Park();

    public void Resume() => _worker.Unpark();

    public Floppy82077State SaveState()
    {
        lock (_gate)
        {
            return new Floppy82077State
            {
                Phase = (byte)_phase,
                DigitalOutput = _dor,
                TapeDrive = _tdr,
                DataRateSelect = _dsr,
                Rate = _rate,
                Specify = [_specify1, _specify2],
                Configure = _configure,
                Precompensation = _precompensation,
                Perpendicular = _perpendicular,
                IsLocked = _isLocked,
                IsInterrupting = _isInterrupting,
                IsResetWanted = _isResetWanted,
                ResetStatuses = _resetStatuses,
                HasSeekStatus = _hasSeekStatus,
                SeekStatus = _seekStatus,
                Command = [.. _command],
                Result = [.. _result],
                Cylinder = _cylinder,
                Head = _head,
                Sector = _sector,
                Moved = _moved,
                LastEnd = _lastEnd,
                Data = [.. _data],
                DataLength = (short)_dataLength,
                DataAt = (short)_dataAt,
                IsTransferring = _isTransferring,
                DriveCylinders = [.. _drives.Select(drive => drive.Cylinder)],
                Changed = (byte)_drives.Index().Sum(drive => drive.Item.IsChanged ? 1 << drive.Index : 0),
            };
        }
    }

    public void LoadState(Floppy82077State state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (!IsConsistent(state))
        {
            throw new StateException(
                $"The saved state of {UnitName} cannot be used: its command, result or buffer does not fit phase {state.Phase}.");
        }

        lock (_gate)
        {
            _phase = (FloppyPhase)state.Phase;
            (_dor, _tdr, _dsr, _rate) = (state.DigitalOutput, state.TapeDrive, state.DataRateSelect, state.Rate);
            (_specify1, _specify2) = (state.Specify[0], state.Specify[1]);
            (_configure, _precompensation, _perpendicular) = (state.Configure, state.Precompensation, state.Perpendicular);
            (_isLocked, _isInterrupting, _isResetWanted) = (state.IsLocked, state.IsInterrupting, state.IsResetWanted);
            (_resetStatuses, _hasSeekStatus, _seekStatus) = (state.ResetStatuses, state.HasSeekStatus, state.SeekStatus);
            _command.Clear();
            _command.AddRange(state.Command);
            _result.Clear();
            Array.ForEach(state.Result, _result.Enqueue);
            (_cylinder, _head, _sector) = (state.Cylinder, state.Head, state.Sector);
            (_moved, _lastEnd) = (state.Moved, state.LastEnd);
            state.Data.CopyTo(_data, 0);
            (_dataLength, _dataAt, _isTransferring) = (state.DataLength, state.DataAt, state.IsTransferring);
            foreach ((int index, FloppyDrive drive) in _drives.Index())
            {
                drive.Cylinder = Math.Min(state.DriveCylinders[index], (byte)FloppyDrive.MostCylinders);
                drive.IsChanged = (state.Changed & (1 << index)) != 0;
            }

            _interrupt.Restore(IsLineHigh);
        }
    }

    /// <summary>Whether the parts of a record that belong to a phase are those of it.</summary>
    private static bool IsConsistent(Floppy82077State state)
    {
        bool isWorkers = state.Command is [var first, ..] && state.Command.Length == LengthOf(first)
            && (first & CommandMask) is ReadData
                or WriteData
                or ReadDeletedData
                or WriteDeletedData
                or ReadTrack
                or Verify
                or FormatTrack
                or ReadId;
        return (FloppyPhase)state.Phase switch
        {
            FloppyPhase.Command => state.Command.Length == 0 || state.Command.Length < LengthOf(state.Command[0]),
            FloppyPhase.Execution => isWorkers,
            FloppyPhase.Data => isWorkers && state.IsTransferring && state.DataAt < state.DataLength,
            _ => state.Result.Length > 0 && state.Command.Length == 0,
        };
    }
}
