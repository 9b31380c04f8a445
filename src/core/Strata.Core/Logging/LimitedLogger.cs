using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Strata.Core.Logging;

/// <summary>A logger with a <see cref="LogLimiter"/> for each kind of report. What is not written costs no formatting.</summary>
/// <param name="inner">Whoever writes.</param>
internal sealed partial class LimitedLogger(ILogger inner, TimeProvider time) : ILogger
{
    // by event number, which the code has a fixed set of
    private readonly ConcurrentDictionary<int, (LogLimiter Limiter, string Kind)> _kinds = [];

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => inner.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!inner.IsEnabled(logLevel))
        {
            return;
        }

        (LogLimiter limiter, string kind) = _kinds.GetOrAdd(eventId.Id, _ => (new LogLimiter(time), eventId.Name ?? string.Empty));
        if (!limiter.TryPass(out long leftOut))
        {
            return;
        }

        if (leftOut > 0)
        {
            LogLeftOut(inner, leftOut, kind);
        }

        inner.Log(logLevel, eventId, state, exception, formatter);
    }

    /// <summary>Says how many reports were left out that no later one has told of.</summary>
    public void ReportLeftOut()
    {
        foreach ((LogLimiter limiter, string kind) in _kinds.Values)
        {
            if (limiter.TakeLeftOut() is > 0 and var leftOut)
            {
                LogLeftOut(inner, leftOut, kind);
            }
        }
    }
}
