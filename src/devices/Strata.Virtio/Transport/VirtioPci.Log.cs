using Microsoft.Extensions.Logging;

namespace Strata.Virtio.Transport;

/// <content>What it reports.</content>
public sealed partial class VirtioPci
{
    [LoggerMessage(100, LogLevel.Warning, "A virtio device ({Device}) stands still until its driver resets it: {Reason}")]
    private static partial void LogNeedsReset(ILogger logger, string device, string reason);
}
