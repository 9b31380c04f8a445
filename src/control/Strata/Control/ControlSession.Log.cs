using Microsoft.Extensions.Logging;

namespace Strata.Control;

/// <content>What it reports.</content>
internal sealed partial class ControlSession
{
    [LoggerMessage(510, LogLevel.Warning, "{Machine} was asked something that is no request: {Reason}")]
    private static partial void LogBadRequest(ILogger logger, string machine, string reason);

    [LoggerMessage(511, LogLevel.Warning, "{Machine} has too many control connections; one was refused.")]
    private static partial void LogFull(ILogger logger, string machine);

    [LoggerMessage(513, LogLevel.Debug, "{Machine} is asked for {Operation}.")]
    private static partial void LogRequest(ILogger logger, string machine, ControlOperation operation);
}
