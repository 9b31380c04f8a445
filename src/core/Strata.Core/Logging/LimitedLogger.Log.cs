using Microsoft.Extensions.Logging;

namespace Strata.Core.Logging;

/// <content>What it says itself.</content>
internal sealed partial class LimitedLogger
{
    [LoggerMessage(1, LogLevel.Warning, "{Count} reports of the kind {Kind} were left out, as there were too many.")]
    private static partial void LogLeftOut(ILogger logger, long count, string kind);
}
