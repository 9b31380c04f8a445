using Microsoft.Extensions.Logging;
using Strata.Core.Logging;

namespace Strata;

/// <content>What a machine reports of itself.</content>
public sealed partial class VirtualMachine
{
    [LoggerMessage(300, LogLevel.Information, "The machine starts on {Engine}. {Reason}")]
    private static partial void LogStart(ILogger logger, Engine engine, string reason);

    [LoggerMessage(301, LogLevel.Warning, "{Engine} was chosen but cannot run this machine, so another does: {Reason}")]
    private static partial void LogFallBack(ILogger logger, Engine engine, string reason);

    [LoggerMessage(302, LogLevel.Information, "The machine moved from {From} to {To}; it stood still for {Milliseconds:F1} ms.")]
    private static partial void LogMove(ILogger logger, Engine from, Engine to, double milliseconds);

    [LoggerMessage(303, LogLevel.Information, "The drive {Drive} has another medium: {Medium}.")]
    private static partial void LogMedium(ILogger logger, string drive, string medium);

    [LoggerMessage(304, LogLevel.Warning, "{Problem}")]
    private static partial void LogBoot(ILogger logger, string problem);

    [LoggerMessage(310, LogLevel.Information, "The image in {Folder} was built anew during the start; its files are opened again.")]
    private static partial void LogRebuilt(ILogger logger, string folder);

    [LoggerMessage(311, LogLevel.Error, "The monitor failed: {Details}")]
    private static partial void LogFailure(ILogger logger, string details);

    [LoggerMessage(312, LogLevel.Information, "The machine ended ({Reason}): {Details}")]
    private static partial void LogEnd(ILogger logger, MachineExitReason reason, string details);

    [LoggerMessage(320, LogLevel.Warning, "A capture file is incomplete: {Reason}")]
    private static partial void LogCaptureFailure(ILogger logger, string reason);

    [LoggerMessage(321, LogLevel.Warning, "A named switch could not be reached at the machine's end: {Reason}")]
    private static partial void LogSwitchFailure(ILogger logger, string reason);

    [LoggerMessage(
        322, LogLevel.Information,
        "The translated code that is kept with the snapshot {Name} is not used, as {Problem}. The guest starts cold.")]
    private static partial void LogKeptCodeIgnored(ILogger logger, string name, string problem);

    [LoggerMessage(330, LogLevel.Debug, "{Line}")]
    private static partial void LogFirmware(ILogger logger, string line);

    internal ILogger ControlLog => _loggers.For(LogAreas.Control);

    private void LogEnd()
    {
        if (CaptureFailure is { } capture)
        {
            LogCaptureFailure(_loggers.For(LogAreas.Network), capture);
        }

        if (SwitchFailure is { } network)
        {
            LogSwitchFailure(_loggers.For(LogAreas.Network), network);
        }

        if (!_board.Exit.IsCompletedSuccessfully)
        {
            return; // the plug is being pulled
        }

        MachineExit exit = MachineExit.Of(_board.Exit.Result);
        if (exit.Reason == MachineExitReason.Error)
        {
            LogFailure(_loggers.For(LogAreas.Machine), exit.Details);
        }
        else
        {
            LogEnd(_loggers.For(LogAreas.Machine), exit.Reason, exit.Details);
        }
    }
}
