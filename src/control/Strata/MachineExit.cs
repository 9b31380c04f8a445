namespace Strata;

/// <summary>Why a machine stopped.</summary>
public enum MachineExitReason
{
    /// <summary>ACPI S5.</summary>
    PowerOff,

    /// <summary>The guest asked for a reset.</summary>
    Reset,

    /// <summary>A reset behind a kernel panic that the console showed.</summary>
    Panic,

    /// <summary>The debug-exit port; <see cref="MachineExit.Code"/> is what it says.</summary>
    DebugExit,

    /// <summary>A processor shut down: triple fault.</summary>
    TripleFault,

    /// <summary>The host asked.</summary>
    Stopped,

    /// <summary>It was saved, to go on another time.</summary>
    Suspended,

    /// <summary>The monitor failed; <see cref="MachineExit.Details"/> says how.</summary>
    Error,
}

/// <summary>The end of a machine's run.</summary>
/// <param name="Reason">What ended it.</param>
/// <param name="Code">Debug-exit code; zero otherwise.</param>
/// <param name="Details">One sentence for the user.</param>
public sealed record MachineExit(MachineExitReason Reason, int Code, string Details)
{
    internal static MachineExit Of(Machines.Boards.MachineExit exit) => new(
        exit.Reason switch
        {
            Machines.Boards.MachineExitReason.PowerOff => MachineExitReason.PowerOff,
            Machines.Boards.MachineExitReason.Reset => MachineExitReason.Reset,
            Machines.Boards.MachineExitReason.Panic => MachineExitReason.Panic,
            Machines.Boards.MachineExitReason.DebugExit => MachineExitReason.DebugExit,
            Machines.Boards.MachineExitReason.TripleFault => MachineExitReason.TripleFault,
            Machines.Boards.MachineExitReason.Stopped => MachineExitReason.Stopped,
            Machines.Boards.MachineExitReason.Suspended => MachineExitReason.Suspended,
            _ => MachineExitReason.Error,
        },
        exit.Code,
        exit.Details);
}
