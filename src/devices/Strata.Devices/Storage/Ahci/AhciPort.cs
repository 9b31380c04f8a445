using static Strata.Devices.Storage.Ahci.AhciRegisters;

namespace Strata.Devices.Storage.Ahci;

/// <summary>
/// A port with its drive. The registers are under the controller's lock; the drive, what is fetched for a command and where its bytes go
/// are the worker's.
/// </summary>
internal sealed class AhciPort(int number, IdeDrive? drive)
{
    public int Number => number;

    /// <summary>Null for a port that nothing is plugged into.</summary>
    public IdeDrive? Drive => drive;

    public ulong CommandList { get; set; }

    public ulong Fis { get; set; }

    public uint Interrupts { get; set; }

    public uint InterruptEnable { get; set; }

    public uint Command { get; set; } = CmdSpinUp | CmdPowerOn;

    public uint TaskFile { get; set; }

    public uint Signature { get; set; }

    public uint Status { get; set; }

    public uint Control { get; set; }

    public uint Error { get; set; }

    /// <summary>PxSACT.</summary>
    public uint Active { get; set; }

    /// <summary>PxCI.</summary>
    public uint Issued { get; set; }

    /// <summary>A command failed: nothing is taken until PxCMD.ST was 0.</summary>
    public bool IsHalted { get; set; }

    /// <summary>PxCMD.ST was cleared, and the worker is still to notice.</summary>
    public bool IsStopWanted { get; set; }

    /// <summary>COMRESET has ended, and the drive is still to be reset.</summary>
    public bool IsResetWanted { get; set; }

    /// <summary>The guest holds the drive in a software reset.</summary>
    public bool IsInReset { get; set; }

    /// <summary>What the log of queued errors says: tag, status, error.</summary>
    public byte[] QueuedError { get; set; } = new byte[3];

    public bool CanTake => drive is not null && Issued != 0 && !IsHalted && (Status & 0xF) == 3
        && (Command & (CmdStart | CmdListRunning)) == (CmdStart | CmdListRunning);

    /// <summary>Power-on and reset of the controller.</summary>
    public void Reset()
    {
        (CommandList, Fis, Interrupts, InterruptEnable, Control) = (0, 0, 0, 0, 0);
        (Error, Active, Issued) = (0, 0, 0);
        (IsHalted, IsStopWanted, IsResetWanted, IsInReset) = (false, false, false, false);
        Command = CmdSpinUp | CmdPowerOn;
        QueuedError = new byte[3];
        Present();
    }

    /// <summary>The drive, or its absence, shows itself.</summary>
    public void Present()
    {
        Status = drive is null ? 0 : SstsPresent;
        TaskFile = drive is null ? 0x7F : TfdReset;
        Signature = drive is null ? uint.MaxValue : drive.IsPacket ? 0xEB14_0101 : 0x0000_0101;
    }
}
