using Strata.Core.State;

namespace Strata.Devices.Storage;

/// <summary>State of an IDE channel, its drives and its bus master.</summary>
public sealed class IdeChannelState : IStateRecord<IdeChannelState>
{
    public static ushort Version => 1;

    /// <summary>Device control register.</summary>
    public required byte Control { get; set; }

    /// <summary>The second drive is selected.</summary>
    public required bool IsSecond { get; set; }

    public required byte MasterCommand { get; set; }

    public required byte MasterStatus { get; set; }

    public required uint MasterTable { get; set; }

    /// <summary>Of the drives that there are, the first one in front.</summary>
    public required IdeDriveState[] Drives { get; set; }

    public static IdeChannelState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new IdeChannelState
        {
            Control = reader.Read<byte>(nameof(Control)),
            IsSecond = reader.ReadBoolean(nameof(IsSecond)),
            MasterCommand = reader.ReadBits(nameof(MasterCommand), IdeBusMaster.CommandMask),
            MasterStatus = reader.ReadBits(nameof(MasterStatus), IdeBusMaster.StatusMask),
            MasterTable = reader.ReadBits(nameof(MasterTable), ~3u),
            Drives = reader.ReadRecords<IdeDriveState>(nameof(Drives), 2),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Control);
        writer.Write(IsSecond);
        writer.Write(MasterCommand);
        writer.Write(MasterStatus);
        writer.Write(MasterTable);
        writer.WriteRecords(Drives);
    }
}

public sealed partial class IdeChannel
{
    /// <inheritdoc/>
    public string UnitName { get; }

    /// <inheritdoc/>
    public void Reset()
    {
        lock (_gate)
        {
            _generation++;
            (_control, _isSecond) = (0, false);
            _master.Reset();
            foreach (IdeDrive? drive in _drives)
            {
                drive?.Reset(isHard: true);
            }

            UpdateInterrupt();
        }
    }

    /// <inheritdoc/>
    public void Quiesce() => _worker.WaitUntilIdle();

    /// <summary>A transfer that waited for the bus master, which was started before, goes on.</summary>
    public void Resume()
    {
        lock (_gate)
        {
            BeginDma();
        }
    }

    /// <inheritdoc/>
    public IdeChannelState SaveState()
    {
        lock (_gate)
        {
            return new IdeChannelState
            {
                Control = _control,
                IsSecond = _isSecond,
                MasterCommand = _master.Command,
                MasterStatus = _master.Status,
                MasterTable = _master.Table,
                Drives = [.. _drives.OfType<IdeDrive>().Select(drive => drive.SaveState())],
            };
        }
    }

    /// <inheritdoc/>
    public void LoadState(IdeChannelState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            IdeDrive[] drives = [.. _drives.OfType<IdeDrive>()];
            if (drives.Length != state.Drives.Length)
            {
                throw new StateException(
                    $"The saved state of {UnitName} cannot be used: it has {state.Drives.Length} drives, and this machine " +
                    $"{drives.Length}.");
            }

            foreach ((IdeDrive drive, IdeDriveState saved) in drives.Zip(state.Drives))
            {
                if (drive.FindMismatch(saved) is { } why)
                {
                    throw new StateException($"The saved state of {UnitName} cannot be used: {why}.");
                }
            }

            _generation++;
            (_control, _isSecond) = (state.Control, state.IsSecond);
            (_master.Command, _master.Status, _master.Table) = (state.MasterCommand, state.MasterStatus, state.MasterTable);
            foreach ((IdeDrive drive, IdeDriveState saved) in drives.Zip(state.Drives))
            {
                drive.LoadState(saved);
            }

            _line.Restore(IsInterruptDue);
        }
    }
}
