using Microsoft.Extensions.Logging;

namespace Strata.Virtio.Block;

/// <content>What it reports.</content>
public sealed partial class VirtioBlock
{
    [LoggerMessage(
        110, LogLevel.Error, "A request of the guest's failed at sector {Sector} of its disk, and the guest was told so: {Reason}")]
    private static partial void LogFailed(ILogger logger, ulong sector, string reason);
}
