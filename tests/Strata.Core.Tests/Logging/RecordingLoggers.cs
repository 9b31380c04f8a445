using Microsoft.Extensions.Logging;

namespace Strata.Core.Tests.Logging;

/// <summary>Keeps what is written, a line a report: category, level, text.</summary>
internal sealed class RecordingLoggers : ILoggerFactory
{
    private readonly List<string> _lines = []; // under itself

    public LogLevel Least { get; set; } = LogLevel.Trace;

    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lines)
            {
                return [.. _lines];
            }
        }
    }

    public ILogger CreateLogger(string categoryName) => new Recorder(this, categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose()
    {
    }

    private sealed class Recorder(RecordingLoggers owner, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= owner.Least;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (owner._lines)
            {
                owner._lines.Add($"{category} {logLevel} {formatter(state, exception)}");
            }
        }
    }
}
