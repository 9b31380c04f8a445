using Strata.Core.Storage;
using static Strata.Devices.Storage.Floppy.FloppyRegisters;

namespace Strata.Devices.Storage.Floppy;

/// <content>
/// Commands that need the medium: the worker executes them, sector by sector. Without DMA it returns to the phase Data between two buffers
/// and is woken when the FIFO has moved one.
/// </content>
public sealed partial class Floppy82077
{
    private const byte SizeCode = 2; // N of 512 bytes

    // Guest-visible state of a transfer; the worker's in the phase Execution, under _gate otherwise
    private readonly byte[] _data = new byte[SectorSize];
    private int _dataLength;
    private int _dataAt;
    private byte _cylinder;
    private byte _head;
    private byte _sector;
    private int _moved;           // sectors done
    private byte _lastEnd;        // EOT or SC of the last command, for DUMPREG
    private bool _isTransferring; // the FIFO has moved _data, and the worker goes on behind it

    private byte Opcode => (byte)(_command[0] & CommandMask);

    /// <summary>Towards the host. For a command of the worker's.</summary>
    private bool IsReading => Opcode is ReadData or ReadDeletedData or ReadTrack;

    private bool UsesDma => (_specify2 & SpecifyNonDma) == 0;

    /// <returns>Whether the worker is to go on: the FIFO has moved the whole buffer.</returns>
    private bool EndOfBuffer()
    {
        if (_dataAt < _dataLength)
        {
            return false;
        }

        _isInterrupting = false;
        UpdateInterrupt();
        _phase = FloppyPhase.Execution;
        return true;
    }

    /// <summary>The worker's thread.</summary>
    private void Work()
    {
        IBlockBackend? disk;
        FloppyGeometry? geometry;
        FloppyDrive? drive;
        lock (_gate)
        {
            if (_phase != FloppyPhase.Execution)
            {
                return;
            }

            drive = Selected(_command[1] & DriveSelect);
            (disk, geometry) = (drive?.Disk, drive?.Geometry);
        }

        Status status;
        try
        {
            status = disk is null ? new Status(AbnormalTermination, MissingAddressMark) : Execute(drive!, disk, geometry!);
        }
        catch (IOException)
        {
            status = new Status(AbnormalTermination, DataError, DataFieldError);
        }

        lock (_gate)
        {
            if (_isResetWanted)
            {
                _phase = FloppyPhase.Command; // whatever has come of it
                ResetController();
                if ((_dor & DorReset) != 0)
                {
                    EndReset();
                }
            }
            else if (status.IsPending)
            {
                _phase = FloppyPhase.Data;
                _dataAt = 0;
                _isInterrupting = true;
            }
            else
            {
                Finish(status);
            }

            UpdateInterrupt();
        }
    }

    /// <summary>Begins the result phase of a command that the worker had.</summary>
    private void Finish(Status status)
    {
        byte select = (byte)((_command[1] & DriveSelect) | ((_head & 1) << 2));
        _lastEnd = _command.ElementAtOrDefault(Opcode == FormatTrack ? 3 : 6);
        Answer((byte)(status.St0 | select), status.St1, status.St2, _cylinder, _head, _sector, SizeCode);
        _isInterrupting = true;
    }

    private Status Execute(FloppyDrive drive, IBlockBackend disk, FloppyGeometry geometry)
    {
        if ((geometry.Rates & (1 << _rate)) == 0)
        {
            return new Status(AbnormalTermination, MissingAddressMark);
        }

        switch (Opcode)
        {
            case ReadId:
                (_cylinder, _head) = (drive.Cylinder, (byte)((_command[1] >> 2) & 1));
                _sector = 1;
                return _head < geometry.Heads && _cylinder < geometry.Cylinders
                    ? Status.Good
                    : new Status(AbnormalTermination, MissingAddressMark);
            case FormatTrack:
                return Format(drive, disk, geometry);
            default:
                return Transfer(drive, disk, geometry);
        }
    }

    private Status Transfer(FloppyDrive drive, IBlockBackend disk, FloppyGeometry geometry)
    {
        bool writes = Opcode is WriteData or WriteDeletedData;
        if (writes && disk.IsReadOnly)
        {
            return new Status(AbnormalTermination, NotWritable);
        }

        if (_moved == 0 && (_configure & ConfigureImpliedSeek) != 0)
        {
            lock (_gate)
            {
                drive.Seek(_cylinder);
            }
        }

        if (Opcode == ReadTrack && _moved == 0)
        {
            _sector = 1; // from the index hole on
        }

        while (true)
        {
            if (FindSector(drive, geometry, out long lba) is { } missing)
            {
                return missing;
            }

            Status? end = writes ? WriteOne(disk, lba) : ReadOne(disk, lba);
            if (end is { } status)
            {
                return status;
            }
        }
    }

    /// <returns>Null if the sector that is next is on the track under the heads.</returns>
    private Status? FindSector(FloppyDrive drive, FloppyGeometry geometry, out long lba)
    {
        lba = ((((long)drive.Cylinder * geometry.Heads) + _head) * geometry.SectorsPerTrack) + _sector - 1;
        if (_head >= geometry.Heads || drive.Cylinder >= geometry.Cylinders)
        {
            return new Status(AbnormalTermination, MissingAddressMark);
        }

        if (_cylinder != drive.Cylinder)
        {
            return new Status(AbnormalTermination, NoData, WrongCylinder);
        }

        bool exists = _sector >= 1 && _sector <= geometry.SectorsPerTrack && _command[5] == SizeCode;
        return exists ? null : new Status(AbnormalTermination, NoData);
    }

    /// <returns>Null to go on with the next sector.</returns>
    private Status? ReadOne(IBlockBackend disk, long lba)
    {
        if (Opcode == Verify)
        {
            FloppyDrive.Read(disk, lba, _data);
            bool counts = (_command[0] & 0x80) == 0 && (_command[1] & 0x80) != 0; // EC: SC says how many
            return Advance(isTerminal: counts && _moved + 1 >= _command[8]);
        }

        if (!_isTransferring)
        {
            FloppyDrive.Read(disk, lba, _data);
        }

        if (!UsesDma)
        {
            return ThroughFifo(SectorSize) ?? Advance(isTerminal: false);
        }

        int count = _dma.Write(_data, out bool isTerminal);
        return count == SectorSize || isTerminal ? Advance(isTerminal) : new Status(AbnormalTermination, Overrun);
    }

    private Status? WriteOne(IBlockBackend disk, long lba)
    {
        bool isTerminal = false;
        if (!UsesDma)
        {
            if (ThroughFifo(SectorSize) is { } pending)
            {
                return pending;
            }
        }
        else
        {
            int count = _dma.Read(_data, out isTerminal);
            if (count < SectorSize && !isTerminal)
            {
                return new Status(AbnormalTermination, Overrun);
            }

            _data.AsSpan(count).Clear(); // the rest of a sector behind TC is zeros
        }

        FloppyDrive.Write(disk, lba, _data);
        return Advance(isTerminal);
    }

    /// <summary>Lets the FIFO move the buffer.</summary>
    /// <returns>Null when it has.</returns>
    private Status? ThroughFifo(int length)
    {
        _dataLength = length;
        _isTransferring = !_isTransferring;
        return _isTransferring ? Status.Pending : null;
    }

    /// <summary>Moves on behind a sector, as the data sheet's table "Result phase" says.</summary>
    /// <param name="isTerminal">TC: the host wants no more.</param>
    /// <returns>Null to go on.</returns>
    private Status? Advance(bool isTerminal)
    {
        _moved++;
        bool isLast = _sector == _command[6];
        bool turns = isLast && (_command[0] & MT) != 0 && _head == 0 && Opcode != ReadTrack;
        if (!isLast)
        {
            _sector++;
        }
        else
        {
            _sector = 1;
            _head = (byte)((_command[0] & MT) != 0 ? _head ^ 1 : _head);
            _cylinder = (byte)(turns ? _cylinder : _cylinder + 1);
        }

        if (Opcode == ReadDeletedData && (_command[0] & SK) == 0)
        {
            return new Status(0, 0, ControlMark); // ends with the first ordinary data mark
        }

        if (isTerminal)
        {
            return Status.Good;
        }

        if (!isLast || turns)
        {
            return null;
        }

        return Opcode is Verify or ReadTrack ? Status.Good : new Status(AbnormalTermination, EndOfCylinder);
    }

    /// <summary>FORMAT TRACK: four bytes a sector say which it is; each is filled with the command's last byte.</summary>
    private Status Format(FloppyDrive drive, IBlockBackend disk, FloppyGeometry geometry)
    {
        const int idLength = 4;
        if (disk.IsReadOnly)
        {
            return new Status(AbnormalTermination, NotWritable);
        }

        _head = (byte)((_command[1] >> 2) & 1);
        if (_head >= geometry.Heads || drive.Cylinder >= geometry.Cylinders || _command[2] != SizeCode)
        {
            return new Status(AbnormalTermination, MissingAddressMark);
        }

        Span<byte> filled = stackalloc byte[SectorSize];
        filled.Fill(_command[5]);
        for (; _moved < _command[3]; _moved++)
        {
            if (!UsesDma)
            {
                if (ThroughFifo(idLength) is { } pending)
                {
                    return pending;
                }
            }
            else if (_dma.Read(_data.AsSpan(0, idLength), out _) < idLength)
            {
                return new Status(AbnormalTermination, Overrun);
            }

            (_cylinder, _sector) = (_data[0], _data[2]);
            if (_sector >= 1 && _sector <= geometry.SectorsPerTrack)
            {
                long track = ((long)drive.Cylinder * geometry.Heads) + _head;
                FloppyDrive.Write(disk, (track * geometry.SectorsPerTrack) + _sector - 1, filled);
            }
        }

        return Status.Good;
    }

    /// <param name="St0">Without the drive's bits.</param>
    private readonly record struct Status(byte St0, byte St1 = 0, byte St2 = 0, bool IsPending = false)
    {
        public static Status Good => default;

        /// <summary>The FIFO has to move the buffer.</summary>
        public static Status Pending => new(0, IsPending: true);
    }
}
