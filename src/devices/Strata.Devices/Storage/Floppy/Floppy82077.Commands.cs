using static Strata.Devices.Storage.Floppy.FloppyRegisters;

namespace Strata.Devices.Storage.Floppy;

/// <content>The FIFO outside of transfers, and the commands that need no medium.</content>
public sealed partial class Floppy82077
{
    /// <summary>Bytes of a command, with its first one; 1 for those that do not exist.</summary>
    private static int LengthOf(byte first) => (first & CommandMask) switch
    {
        ReadData or WriteData or ReadDeletedData or WriteDeletedData or ReadTrack or Verify => 9,
        FormatTrack => 6,
        Specify or Seek => 3,
        ReadId or Recalibrate or SenseDriveStatus or PerpendicularMode => 2,
        Configure => 4,
        _ => 1,
    };

    /// <param name="wake">The worker is to go on.</param>
    private byte ReadFifo(out bool wake)
    {
        wake = false;
        switch (_phase)
        {
            case FloppyPhase.Data when IsReading:
                byte data = _data[_dataAt++];
                wake = EndOfBuffer();
                return data;
            case FloppyPhase.Result:
                _isInterrupting = false;
                UpdateInterrupt();
                byte result = _result.Dequeue();
                if (_result.Count == 0)
                {
                    _phase = FloppyPhase.Command;
                    _isInterrupting = _hasSeekStatus; // a reset interrupts once, however many statuses are still to be asked for
                    UpdateInterrupt();
                }

                return result;
            default:
                return 0xFF;
        }
    }

    /// <returns>Whether the worker is to go on.</returns>
    private bool WriteFifo(byte value)
    {
        if ((_dor & DorReset) == 0)
        {
            return false;
        }

        if (_phase == FloppyPhase.Data && !IsReading)
        {
            _data[_dataAt++] = value;
            return EndOfBuffer();
        }

        if (_phase != FloppyPhase.Command)
        {
            return false;
        }

        _command.Add(value);
        if (_command.Count < LengthOf(_command[0]))
        {
            return false;
        }

        bool executes = Begin();
        UpdateInterrupt();
        return executes;
    }

    /// <summary>Starts a command whose bytes are all there.</summary>
    /// <returns>Whether it is the worker's.</returns>
    private bool Begin()
    {
        byte first = _command[0];
        switch (first & CommandMask)
        {
            case ReadData or WriteData or ReadDeletedData or WriteDeletedData or ReadTrack or Verify or FormatTrack or ReadId:
                (
                    _cylinder, _head,
                    _sector) = (_command.ElementAtOrDefault(2), _command.ElementAtOrDefault(3), _command.ElementAtOrDefault(4));
                (_moved, _isTransferring) = (0, false);
                _phase = FloppyPhase.Execution;
                return true;
            case Specify:
                (_specify1, _specify2) = (_command[1], _command[2]);
                break;
            case SenseDriveStatus:
                Answer(DriveStatus());
                return false;
            case Recalibrate:
                EndSeek(drive => drive.Seek(0));
                break;
            case Seek when (first & 0x80) == 0:
                EndSeek(drive => drive.Seek(_command[2]));
                break;
            case Seek:
                EndSeek(drive => drive.Seek((first & RelativeUp) != 0 ? drive.Cylinder + _command[2] : drive.Cylinder - _command[2]));
                break;
            case SenseInterruptStatus:
                SenseInterrupt();
                return false;
            case FloppyRegisters.Version:
                Answer(EnhancedVersion);
                return false;
            case DumpReg:
                DumpRegisters();
                return false;
            case Configure:
                (_configure, _precompensation) = ((byte)(_command[2] & ConfigureWritable), _command[3]);
                break;
            case PerpendicularMode:
                _perpendicular = (byte)((_command[1] & 0x80) != 0 ? _command[1] & 0x3F : (_perpendicular & 0x3C) | (_command[1] & 3));
                break;
            case FloppyRegisters.Lock:
                _isLocked = (first & 0x80) != 0;
                Answer((byte)(_isLocked ? 0x10 : 0));
                return false;
            default:
                Answer(InvalidCommand);
                return false;
        }

        _command.Clear();
        return false;
    }

    /// <summary>Begins the result phase of a command that raises no interrupt.</summary>
    private void Answer(params ReadOnlySpan<byte> bytes)
    {
        _command.Clear();
        _result.Clear();
        foreach (byte value in bytes)
        {
            _result.Enqueue(value);
        }

        _phase = FloppyPhase.Result;
    }

    private void EndSeek(Action<FloppyDrive> move)
    {
        byte select = (byte)(_command[1] & 7);
        FloppyDrive? drive = Selected(select & DriveSelect);
        if (drive is not null)
        {
            move(drive);
        }

        _seekStatus = (byte)(SeekEnd | select | (drive is null ? AbnormalTermination | EquipmentCheck : 0));
        _hasSeekStatus = true;
        _isInterrupting = true;
    }

    private void SenseInterrupt()
    {
        _isInterrupting = false;
        if (_hasSeekStatus)
        {
            _hasSeekStatus = false;
            Answer(_seekStatus, Selected(_seekStatus & DriveSelect)?.Cylinder ?? 0);
        }
        else if (_resetStatuses > 0)
        {
            int drive = 4 - _resetStatuses--;
            Answer((byte)(ReadyChanged | drive), Selected(drive)?.Cylinder ?? 0);
        }
        else
        {
            Answer(InvalidCommand);
        }

        _resetStatuses &= 7;
    }

    /// <summary>ST3.</summary>
    private byte DriveStatus()
    {
        FloppyDrive? drive = Selected(_command[1] & DriveSelect);
        bool isProtected = drive?.Disk is { IsReadOnly: true };
        return (byte)((_command[1] & 7) | AlwaysOne | (drive is { Cylinder: 0 } ? TrackZero : 0) | (isProtected ? WriteProtected : 0));
    }

    private void DumpRegisters() => Answer(
        _drives[0].Cylinder, _drives[1].Cylinder, 0, 0, _specify1, _specify2, _lastEnd,
        (byte)((_isLocked ? 0x80 : 0) | (_perpendicular & 0x3F)), _configure, _precompensation);
}
