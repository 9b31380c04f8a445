namespace Strata.Cli;

/// <summary>Exit codes of the command; the README lists them.</summary>
internal static class ExitCodes
{
    public const int Success = 0;
    public const int Failure = 1;
    public const int BadInput = 2;
    public const int GuestReset = 101;
    public const int TripleFault = 102;
    public const int MonitorError = 103;
    public const int GuestPanic = 104;
    public const int Interrupted = 130;

    /// <summary>Nobody read a guest command's output, and it went on all the same: as if SIGPIPE had ended it.</summary>
    public const int Unread = 141;
}
