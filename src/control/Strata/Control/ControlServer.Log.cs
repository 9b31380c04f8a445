using Microsoft.Extensions.Logging;

namespace Strata.Control;

/// <content>What it reports.</content>
public sealed partial class ControlServer
{
    [LoggerMessage(500, LogLevel.Warning, "A process of user {User} connected to the control socket of {Machine} and was hung up on.")]
    private static partial void LogStranger(ILogger logger, uint user, string machine);
}
