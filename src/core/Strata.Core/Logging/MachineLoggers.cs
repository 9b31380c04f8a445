using Microsoft.Extensions.Logging;

namespace Strata.Core.Logging;

/// <summary>
/// The loggers of one machine, by area. Everything they write is limited by kind, so a guest cannot fill the host's disk with reports of
/// what it does. Disposing says what was left out last. Safe on any thread.
/// </summary>
public sealed class MachineLoggers : IDisposable
{
    private readonly Dictionary<string, LimitedLogger> _loggers = []; // under itself
    private readonly ILoggerFactory _factory;
    private readonly TimeProvider _time;

    /// <param name="factory">Who writes. Not disposed here.</param>
    /// <param name="time">The host's monotonic time.</param>
    public MachineLoggers(ILoggerFactory factory, TimeProvider time)
    {
        _factory = factory;
        _time = time;
    }

    /// <summary>The logger of an area.</summary>
    /// <param name="area">One of <see cref="LogAreas"/>.</param>
    public ILogger For(string area)
    {
        lock (_loggers)
        {
            if (!_loggers.TryGetValue(area, out LimitedLogger? logger))
            {
                logger = new LimitedLogger(_factory.CreateLogger(area), _time);
                _loggers.Add(area, logger);
            }

            return logger;
        }
    }

    public void Dispose()
    {
        lock (_loggers)
        {
            foreach (LimitedLogger logger in _loggers.Values)
            {
                logger.ReportLeftOut();
            }
        }
    }
}
