using Microsoft.Extensions.Logging;

namespace Strata.Display.Serving;

/// <content>What it reports.</content>
public sealed partial class VncServer
{
    [LoggerMessage(900, LogLevel.Information, "A VNC client connected from {Client}.")]
    private static partial void LogConnected(ILogger logger, string client);

    [LoggerMessage(901, LogLevel.Information, "The VNC client from {Client} has gone.")]
    private static partial void LogGone(ILogger logger, string client);

    [LoggerMessage(902, LogLevel.Warning, "The VNC client from {Client} was hung up on: {Reason}.")]
    private static partial void LogRefused(ILogger logger, string client, string reason);

    [LoggerMessage(903, LogLevel.Warning, "A VNC connection from {Client} was closed: there are {Count} already.")]
    private static partial void LogTooMany(ILogger logger, string client, int count);

    [LoggerMessage(904, LogLevel.Error, "The VNC client from {Client} was hung up on by a defect of the server.")]
    private static partial void LogDefect(ILogger logger, Exception error, string client);

    [LoggerMessage(905, LogLevel.Warning, "A VNC connection was not accepted: {Reason}")]
    private static partial void LogNotAccepted(ILogger logger, string reason);
}
