using Microsoft.Extensions.Logging;

namespace Strata;

/// <content>What it reports.</content>
public sealed partial class GuestProcess
{
    [LoggerMessage(400, LogLevel.Warning, "The agent in the guest was lost while a program ran: {Reason}")]
    private static partial void LogLost(ILogger logger, string reason);
}
