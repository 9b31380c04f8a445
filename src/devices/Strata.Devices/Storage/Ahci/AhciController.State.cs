using Strata.Core.State;
using static Strata.Devices.Storage.Ahci.AhciRegisters;

namespace Strata.Devices.Storage.Ahci;

/// <summary>State of an AHCI controller, apart from its PCI function.</summary>
public sealed class AhciState : IStateRecord<AhciState>
{
    public static ushort Version => 1;

    /// <summary>GHC.</summary>
    public required uint Control { get; set; }

    /// <summary>IS.</summary>
    public required uint Interrupts { get; set; }

    public required bool IsResetWanted { get; set; }

    /// <summary>The port that had its turn last.</summary>
    public required int LastPort { get; set; }

    public required AhciPortState[] Ports { get; set; }

    public static AhciState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new AhciState
        {
            Control = reader.ReadBits(nameof(Control), GhcAhci | GhcInterrupts),
            Interrupts = reader.ReadBits(nameof(Interrupts), (1u << PortCount) - 1),
            IsResetWanted = reader.ReadBoolean(nameof(IsResetWanted)),
            LastPort = reader.Read(nameof(LastPort), 0, PortCount - 1),
            Ports = reader.ReadExactRecords<AhciPortState>(nameof(Ports), PortCount),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Control);
        writer.Write(Interrupts);
        writer.Write(IsResetWanted);
        writer.Write(LastPort);
        writer.WriteRecords(Ports);
    }
}

/// <summary>State of a port and its drive.</summary>
public sealed class AhciPortState : IStateRecord<AhciPortState>
{
    public static ushort Version => 1;

    public required ulong CommandList { get; set; }

    public required ulong Fis { get; set; }

    public required uint Interrupts { get; set; }

    public required uint InterruptEnable { get; set; }

    public required uint Command { get; set; }

    public required uint TaskFile { get; set; }

    public required uint Signature { get; set; }

    public required uint Status { get; set; }

    public required uint Control { get; set; }

    public required uint Error { get; set; }

    public required uint Active { get; set; }

    public required uint Issued { get; set; }

    public required bool IsHalted { get; set; }

    public required bool IsStopWanted { get; set; }

    public required bool IsResetWanted { get; set; }

    public required bool IsInReset { get; set; }

    /// <summary>Tag, status and error of the queued command that failed last.</summary>
    public required byte[] QueuedError { get; set; }

    /// <summary>Null for an empty port.</summary>
    public IdeDriveState? Drive { get; set; }

    public static AhciPortState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new AhciPortState
        {
            CommandList = reader.Read<ulong>(nameof(CommandList)),
            Fis = reader.Read<ulong>(nameof(Fis)),
            Interrupts = reader.Read<uint>(nameof(Interrupts)),
            InterruptEnable = reader.ReadBits(nameof(InterruptEnable), IeWritable),
            Command = reader.ReadBits(nameof(Command), CmdWritable | CmdSpinUp | CmdPowerOn | CmdSlot | CmdFisRunning | CmdListRunning),
            TaskFile = reader.ReadBits(nameof(TaskFile), 0xFFFFu),
            Signature = reader.Read<uint>(nameof(Signature)),
            Status = reader.ReadBits(nameof(Status), 0xFFFu),
            Control = reader.ReadBits(nameof(Control), 0xFFFu),
            Error = reader.Read<uint>(nameof(Error)),
            Active = reader.Read<uint>(nameof(Active)),
            Issued = reader.Read<uint>(nameof(Issued)),
            IsHalted = reader.ReadBoolean(nameof(IsHalted)),
            IsStopWanted = reader.ReadBoolean(nameof(IsStopWanted)),
            IsResetWanted = reader.ReadBoolean(nameof(IsResetWanted)),
            IsInReset = reader.ReadBoolean(nameof(IsInReset)),
            QueuedError = reader.ReadExactly<byte>(nameof(QueuedError), 3),
            Drive = reader.ReadBoolean("HasDrive") ? reader.ReadRecord<IdeDriveState>() : null,
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(CommandList);
        writer.Write(Fis);
        writer.Write(Interrupts);
        writer.Write(InterruptEnable);
        writer.Write(Command);
        writer.Write(TaskFile);
        writer.Write(Signature);
        writer.Write(Status);
        writer.Write(Control);
        writer.Write(Error);
        writer.Write(Active);
        writer.Write(Issued);
        writer.Write(IsHalted);
        writer.Write(IsStopWanted);
        writer.Write(IsResetWanted);
        writer.Write(IsInReset);
        writer.WriteArray<byte>(QueuedError);
        writer.Write(Drive is not null);
        if (Drive is { } drive)
        {
            writer.WriteRecord(drive);
        }
    }
}

/// <content>The controller behind the function, as a unit of state.</content>
public sealed partial class AhciController
{
    private static AhciPortState SavePort(AhciPort port) => new()
    {
        CommandList = port.CommandList,
        Fis = port.Fis,
        Interrupts = port.Interrupts,
        InterruptEnable = port.InterruptEnable,
        Command = port.Command,
        TaskFile = port.TaskFile,
        Signature = port.Signature,
        Status = port.Status,
        Control = port.Control,
        Error = port.Error,
        Active = port.Active,
        Issued = port.Issued,
        IsHalted = port.IsHalted,
        IsStopWanted = port.IsStopWanted,
        IsResetWanted = port.IsResetWanted,
        IsInReset = port.IsInReset,
        QueuedError = [.. port.QueuedError],
        Drive = port.Drive?.SaveState(),
    };

    private static void LoadPort(AhciPort port, AhciPortState state)
    {
        (
            port.CommandList, port.Fis, port.Interrupts,
            port.InterruptEnable) = (state.CommandList, state.Fis, state.Interrupts, state.InterruptEnable);
        (port.Command, port.TaskFile, port.Signature, port.Status) = (state.Command, state.TaskFile, state.Signature, state.Status);
        (port.Control, port.Error, port.Active, port.Issued) = (state.Control, state.Error, state.Active, state.Issued);
        (
            port.IsHalted, port.IsStopWanted, port.IsResetWanted,
            port.IsInReset) = (state.IsHalted, state.IsStopWanted, state.IsResetWanted, state.IsInReset);
        port.QueuedError = [.. state.QueuedError];
        port.Drive?.LoadState(state.Drive!);
    }

    /// <summary>A drive that stands still has no data phase: those begin and end within a command.</summary>
    private void Check(AhciState state)
    {
        foreach ((AhciPort port, AhciPortState saved) in _ports.Zip(state.Ports))
        {
            string? why = (port.Drive, saved.Drive) switch
            {
                (null, null) => null,
                ({ } drive, { } driveState) =>
                    drive.FindMismatch(driveState) ?? (driveState.Transfer.Kind == IdeTransferKind.None ? null : "its drive moves data"),
                _ => "a drive is there in one of the two machines only",
            };
            if (why is not null)
            {
                throw new StateException($"The saved state of {_unit.UnitName} cannot be used: of port {port.Number}, {why}.");
            }
        }
    }

    private sealed class Unit(AhciController owner) : IUnit<AhciState>
    {
        public string UnitName => $"{owner.UnitName}/ahci";

        public void Reset()
        {
            lock (owner._gate)
            {
                owner.ResetController(isHard: true);
            }
        }

        public void Quiesce() => owner._worker.Park();

        public void Resume() => owner._worker.Unpark();

        public AhciState SaveState()
        {
            lock (owner._gate)
            {
                return new AhciState
                {
                    Control = owner._control,
                    Interrupts = owner._interrupts,
                    IsResetWanted = owner._isResetWanted,
                    LastPort = owner._lastPort,
                    Ports = [.. owner._ports.Select(SavePort)],
                };
            }
        }

        public void LoadState(AhciState state)
        {
            ArgumentNullException.ThrowIfNull(state);
            owner.Check(state);
            lock (owner._gate)
            {
                (owner._control, owner._interrupts) = (state.Control, state.Interrupts);
                (owner._isResetWanted, owner._lastPort) = (state.IsResetWanted, state.LastPort);
                foreach ((AhciPort port, AhciPortState saved) in owner._ports.Zip(state.Ports))
                {
                    LoadPort(port, saved);
                }
            }
        }
    }
}
