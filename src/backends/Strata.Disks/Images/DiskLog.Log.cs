using Microsoft.Extensions.Logging;

namespace Strata.Disks.Images;

/// <summary>What the formats report while an image is opened.</summary>
internal static partial class DiskLog
{
    [LoggerMessage(200, LogLevel.Warning, "{Path} was not closed properly and was repaired: {Repairs}.")]
    public static partial void Repaired(ILogger logger, string path, string repairs);
}
